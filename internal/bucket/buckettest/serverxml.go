package buckettest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"jpmovies/internal/bucket"
)

type deleteRequest struct {
	Objects []xmlIdentifier `xml:"Object"`
}

type xmlIdentifier struct {
	Key  string
	ETag string
}

type deleteResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Deleted []xmlDeleted
	Errors  []xmlError `xml:"Error"`
}

type xmlDeleted struct{ Key escaped }

type xmlError struct {
	Key     escaped
	Code    string
	Message string
}

type listResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	KeyCount              int
	IsTruncated           bool
	EncodingType          string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []xmlObject
}

type xmlObject struct {
	Key          escaped
	LastModified string
	ETag         string
	Size         int64
}

// escaped is text that is already XML.
type escaped struct {
	Text string `xml:",innerxml"`
}

// escape writes characters that XML 1.0 cannot contain as AWS does: as character references
// that no XML parser accepts. encoding/xml would replace them.
func escape(s string) escaped {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 || r == 0xFFFE || r == 0xFFFF {
			fmt.Fprintf(&b, "&#x%X;", r)
			continue
		}
		_ = xml.EscapeText(&b, []byte(string(r)))
	}
	return escaped{b.String()}
}

func listing(page []bucket.Object, more bool, encoding string) listResult {
	result := listResult{Name: "bucket", KeyCount: len(page), IsTruncated: more, EncodingType: encoding}
	for _, o := range page {
		key := escape(o.Key)
		if encoding == "url" {
			key = escaped{strings.ReplaceAll(url.QueryEscape(o.Key), "%2F", "/")}
		}
		result.Contents = append(result.Contents, xmlObject{
			Key: key, ETag: o.ETag, Size: o.Size,
			LastModified: o.LastModified.UTC().Format("2006-01-02T15:04:05.000Z"),
		})
	}
	if more {
		result.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(page[len(page)-1].Key))
	}
	return result
}

func encode(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer)
}
