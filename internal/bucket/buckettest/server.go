package buckettest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // S3 requires MD5
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"jpmovies/internal/bucket"
)

// Server is a fake S3 server. It has the operations that read, write and delete objects, with
// the responses of S3's API reference, for any bucket name in path style. Its switches imitate
// servers that ignore conditions. Set the fields before the first use.
type Server struct {
	Memory *Memory
	// IgnoreBatchCondition makes DeleteObjects ignore the ETag of each key.
	IgnoreBatchCondition bool
	// IgnoreSingleCondition makes DeleteObject ignore If-Match.
	IgnoreSingleCondition bool
	// ObjectLock makes PutObject require a checksum.
	ObjectLock bool
	// Refuse, if set, returns the error code for an operation, by its name in the API
	// reference, or "" to let it pass.
	Refuse func(operation, key string) (code string)
	// RefuseKey, if set, returns the error code for one key of DeleteObjects inside the 200, or
	// "" to let it pass.
	RefuseKey func(key string) (code string)
}

// statuses maps error codes to HTTP statuses; others are 400 ("Error responses").
var statuses = map[string]int{
	"InvalidRequest":             http.StatusBadRequest,
	"MalformedXML":               http.StatusBadRequest,
	"BadDigest":                  http.StatusBadRequest,
	"AccessDenied":               http.StatusForbidden,
	"NoSuchBucket":               http.StatusNotFound,
	"NoSuchKey":                  http.StatusNotFound,
	"MethodNotAllowed":           http.StatusMethodNotAllowed,
	"ConditionalRequestConflict": http.StatusConflict,
	"PreconditionFailed":         http.StatusPreconditionFailed,
	"InternalError":              http.StatusInternalServerError,
	"NotImplemented":             http.StatusNotImplemented,
	"SlowDown":                   http.StatusServiceUnavailable,
	"QuotaExceeded":              http.StatusForbidden,
	"InvalidAccessKeyId":         http.StatusForbidden,
	"SignatureDoesNotMatch":      http.StatusForbidden,
	"XMinioStorageFull":          http.StatusInsufficientStorage,
	"PermanentRedirect":          http.StatusMovedPermanently,
}

// OtherRegion is the region of which PermanentRedirect and AuthorizationHeaderMalformed tell.
const OtherRegion = "eu-central-1"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, err := objectKey(r.URL)
	if err != nil {
		refuse(w, r, "InvalidRequest")
		return
	}
	name, handle := s.operation(r, key)
	if s.Refuse != nil {
		if code := s.Refuse(name, key); code != "" {
			refuse(w, r, code)
			return
		}
	}
	if code := handle(w, r, key); code != "" {
		refuse(w, r, code)
	}
}

// objectKey returns the part of the path behind the bucket's name.
func objectKey(u *url.URL) (string, error) {
	_, escaped, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	return url.PathUnescape(escaped)
}

// handler answers a request, or returns an error code and writes nothing.
type handler func(w http.ResponseWriter, r *http.Request, key string) (code string)

func (s *Server) operation(r *http.Request, key string) (string, handler) {
	switch {
	case key == "" && r.Method == http.MethodGet:
		return "ListObjectsV2", s.list
	case key == "" && r.Method == http.MethodPost && r.URL.Query().Has("delete"):
		return "DeleteObjects", s.deleteObjects
	case key != "" && r.Method == http.MethodGet:
		return "GetObject", s.get
	case key != "" && r.Method == http.MethodHead:
		return "HeadObject", s.get
	case key != "" && r.Method == http.MethodPut:
		return "PutObject", s.put
	case key != "" && r.Method == http.MethodDelete:
		return "DeleteObject", s.deleteObject
	}
	return "", func(http.ResponseWriter, *http.Request, string) string { return "NotImplemented" }
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, _ string) string {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("max-keys"))
	if err != nil && query.Has("max-keys") {
		return "InvalidRequest"
	}
	after, err := base64.URLEncoding.DecodeString(query.Get("continuation-token"))
	if err != nil {
		return "InvalidRequest"
	}
	s.Memory.count(func(c *Counts) { c.Lists++ })
	page, more := s.Memory.page(query.Get("prefix"), string(after), limit)
	encode(w, listing(page, more, query.Get("encoding-type")))
	return ""
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) string {
	if r.Method == http.MethodGet {
		s.Memory.count(func(c *Counts) { c.Gets++ })
	}
	o, ok := s.Memory.load(key)
	if !ok {
		return "NoSuchKey"
	}
	w.Header().Set("ETag", o.ETag)
	w.Header().Set("Last-Modified", o.LastModified.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
	if r.Method == http.MethodGet {
		_, _ = w.Write(o.body)
	}
	return ""
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string) string {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return "InvalidRequest"
	}
	if s.ObjectLock {
		if code := verify(r.Header, content); code != "" {
			return code
		}
	}
	w.Header().Set("ETag", s.Memory.Put(key, content).ETag)
	return ""
}

func (s *Server) deleteObject(w http.ResponseWriter, r *http.Request, key string) string {
	s.Memory.count(func(c *Counts) { c.Deletes++ })
	ref := bucket.Ref{Key: key, ETag: r.Header.Get("If-Match")}
	if s.IgnoreSingleCondition {
		ref.ETag = ""
	}
	code := errorCode(s.Memory.remove(ref))
	if code == "NoSuchKey" && ref.ETag == "" {
		code = "" // S3 reports a missing object only if the request has a condition
	}
	if code == "" {
		w.WriteHeader(http.StatusNoContent)
	}
	return code
}

func (s *Server) deleteObjects(w http.ResponseWriter, r *http.Request, _ string) string {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return "InvalidRequest"
	}
	if code := verify(r.Header, content); code != "" {
		return code
	}
	var request deleteRequest
	if err := xml.Unmarshal(content, &request); err != nil || len(request.Objects) > 1000 {
		return "MalformedXML"
	}
	s.Memory.count(func(c *Counts) { c.Deletes++ })
	var answer deleteResult
	for _, o := range request.Objects {
		if code := s.deleteKey(o); code != "" {
			answer.Errors = append(answer.Errors, xmlError{Key: escape(o.Key), Code: code, Message: code})
		} else {
			answer.Deleted = append(answer.Deleted, xmlDeleted{Key: escape(o.Key)})
		}
	}
	encode(w, answer)
	return ""
}

func (s *Server) deleteKey(o xmlIdentifier) (code string) {
	if s.RefuseKey != nil {
		if code := s.RefuseKey(o.Key); code != "" {
			return code
		}
	}
	if s.IgnoreBatchCondition {
		o.ETag = ""
	}
	code = errorCode(s.Memory.remove(bucket.Ref{Key: o.Key, ETag: o.ETag}))
	if code == "NoSuchKey" && o.ETag == "" {
		return ""
	}
	return code
}

// verify returns an error code unless a checksum matches. S3 requires one (DeleteObjects).
func verify(header http.Header, content []byte) (code string) {
	sum5 := md5.Sum(content) //nolint:gosec // S3 requires MD5
	switch header.Get("Content-MD5") {
	case "":
	case base64.StdEncoding.EncodeToString(sum5[:]):
		return ""
	default:
		return "BadDigest"
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(content))
	switch header.Get("X-Amz-Checksum-Crc32") {
	case "":
		return "InvalidRequest"
	case base64.StdEncoding.EncodeToString(sum):
		return ""
	}
	return "BadDigest"
}

func errorCode(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, bucket.ErrNotFound):
		return "NoSuchKey"
	case errors.Is(err, bucket.ErrChanged):
		return "PreconditionFailed"
	}
	return "InternalError"
}

func refuse(w http.ResponseWriter, r *http.Request, code string) {
	w.Header().Set("Content-Type", "application/xml")
	if code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" {
		w.Header().Set("X-Amz-Bucket-Region", OtherRegion)
	}
	w.WriteHeader(cmp.Or(statuses[code], http.StatusBadRequest))
	if r.Method != http.MethodHead {
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
	}
}
