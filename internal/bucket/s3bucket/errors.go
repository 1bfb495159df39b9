package s3bucket

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"jpmovies/internal/awsconfig"
	"jpmovies/internal/bucket"
)

// The error codes are those of S3's API reference, "Error responses".

// classify wraps err with the error of package bucket that it means, if any. It goes by the
// code before the status: a bucket that does not exist and a proxy without a route to the
// server answer with 404, too, while the object may be safe.
func classify(err error) error {
	kind := error(nil)
	switch code := errorCode(err); {
	case code == "NoSuchKey", code == "NoSuchVersion", code == "NotFound" && hasNoBody(err):
		kind = bucket.ErrNotFound
	case code != "" && isRefused(err):
		kind = bucket.ErrDenied
	default:
		return inRegion(err)
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// hasNoBody reports whether err is about a response that cannot have a body. For one that
// has none, the SDK makes the code from the status.
func hasNoBody(err error) bool {
	operation, ok := errors.AsType[*smithy.OperationError](err)
	return ok && operation.Operation() == "HeadObject"
}

// inRegion adds the region of a bucket that is in another one than the requests.
func inRegion(err error) error {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || !isRedirect(err) && errorCode(err) != "AuthorizationHeaderMalformed" {
		return err
	}
	region := response.Response.Header.Get("X-Amz-Bucket-Region")
	if region == "" {
		return err
	}
	return fmt.Errorf("the bucket is in another region: set AWS_REGION=%s: %w", region, err)
}

// isRedirect reports whether the bucket is to be addressed at another endpoint.
func isRedirect(err error) bool {
	switch status(err) {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// classifyDelete is classify for a request with a condition. In the answer to DeleteObjects,
// S3's directory buckets have a status where others have a code.
func classifyDelete(err error) error {
	code := errorCode(err)
	if code == "PreconditionFailed" || strings.HasPrefix(code, "412") || status(err) == http.StatusPreconditionFailed {
		return fmt.Errorf("%w: %w", bucket.ErrChanged, err)
	}
	return classify(err)
}

// errorCode returns the S3 error code of a response, or "". It ignores the answers of other
// services, which grant credentials.
func errorCode(err error) string {
	if awsconfig.IsCredentialsError(err) {
		return ""
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// status returns the HTTP status of the response of S3 that err is about, or 0.
func status(err error) int {
	if awsconfig.IsCredentialsError(err) {
		return 0
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

// isRefused reports whether the server accepts the credentials but will never do the
// request. S3 also answers so for a missing key if the caller lacks s3:ListBucket
// (GetObject, Permissions).
func isRefused(err error) bool {
	switch s := status(err); s {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return s >= 400 && s < 500 && !isUnavailable(err)
	}
}

// isDenied reports whether the server accepts the credentials but does not allow the request.
func isDenied(err error) bool {
	switch errorCode(err) {
	case "AccessDenied", "Forbidden", "AllAccessDisabled":
		return true
	}
	return false
}

// wrongCredentials holds the codes for credentials that the server does not accept. An
// operator may repair them while the worker waits.
var wrongCredentials = map[string]bool{
	"InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "ExpiredToken": true, "InvalidToken": true,
	"TokenRefreshRequired": true, "RequestTimeTooSkewed": true, "RequestExpired": true, "AuthorizationHeaderMalformed": true,
	"MissingAuthenticationToken": true, "InvalidSecurity": true, "NotSignedUp": true, "UnrecognizedClientException": true,
	"InvalidClientTokenId": true, "AuthFailure": true, "ExpiredTokenException": true,
}

// isUnavailable reports whether other requests would fail too: the server sends no
// response, does not accept the credentials, or does not have the bucket here.
func isUnavailable(err error) bool {
	if err == nil {
		return false
	}
	code := errorCode(err)
	return code == "NoSuchBucket" || isRedirect(err) || wrongCredentials[code] || code == "" && status(err) == 0 || status(err) == http.StatusUnauthorized
}

// isOutage reports, besides isUnavailable, the error page of a load balancer that cannot reach
// the server. The SDK makes a code from the status if the page is well-formed, else none.
func isOutage(err error) bool {
	switch errorCode(err) {
	case "BadGateway", "ServiceUnavailable", "GatewayTimeout":
		return true
	case "":
		switch status(err) {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
	}
	return isUnavailable(err)
}

// isUnsupported reports whether the server understood the request and will never do it.
func isUnsupported(err error) bool {
	switch status(err) {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	switch errorCode(err) {
	case "NotImplemented", "MethodNotAllowed", "MalformedXML", "InvalidRequest", "InvalidArgument":
		return true
	}
	return false
}
