package api

// Names of headers as net/http writes them: a map takes them as they are, and
// Header.Set would look for capitals in each answer.
const (
	allowOrigin       = "Access-Control-Allow-Origin"
	exposeHeaders     = "Access-Control-Expose-Headers"
	cacheControl      = "Cache-Control"
	catalogueRevision = "Catalogue-Revision"
	contentLength     = "Content-Length"
	contentType       = "Content-Type"
	contentOptions    = "X-Content-Type-Options"
	etag              = "Etag"
	ifNoneMatch       = "If-None-Match"
	link              = "Link"
	serverTiming      = "Server-Timing"
	totalCount        = "Total-Count"
	vary              = "Vary"
)

// Values that answers share. They have no room, so that Header.Add copies them.
var (
	anyOrigin  = []string{"*"}
	exposed    = []string{"Catalogue-Revision, ETag, Link, Total-Count, Age, Retry-After, X-Request-Id"} // to scripts of other origins
	byEncoding = []string{"Accept-Encoding"}
	fromCache  = []string{"cache"}
	jsonType   = []string{"application/json"}
	noCache    = []string{"no-cache"}
	noStore    = []string{"no-store"}
	nosniff    = []string{"nosniff"}
)
