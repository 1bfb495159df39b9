package api

// Names of headers in canonical form: assigning to the map directly saves Header.Set's
// conversion in each response.
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

// Header values that responses share. Their capacity is their length, so Header.Add copies
// them.
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
