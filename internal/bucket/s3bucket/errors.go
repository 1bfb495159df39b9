package s3bucket

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"jpmovies/internal/bucket"
)

// classify adds the error of package bucket that err amounts to, if any.
func classify(err error) error {
	if status(err) == http.StatusPreconditionFailed {
		return fmt.Errorf("%w: %w", bucket.ErrChanged, err)
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	kind := kindOf(api.ErrorCode())
	if kind == nil && refused(err) {
		kind = bucket.ErrDenied
	}
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// refused tells whether the server knows us and refuses the request for good. It
// does so with a key that is gone, too, where the right s3:ListBucket is missing.
func refused(err error) bool {
	switch s := status(err); s {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return s >= 400 && s < 500 && !hopeless(err)
	}
}

// kindOf goes by the code and not by the status: 404 is also the answer to a
// bucket that doesn't exist, where the object may well be safe and sound.
func kindOf(code string) error {
	switch code {
	case "NoSuchKey", "NotFound":
		return bucket.ErrNotFound
	case "PreconditionFailed":
		return bucket.ErrChanged
	}
	return nil
}

// status returns the HTTP status of the answer that err is about, or 0.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// denied tells whether the server knows us but doesn't allow this. Wrong
// credentials are another matter: they may be put right while we wait.
func denied(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "AccessDenied", "Forbidden", "AllAccessDisabled":
		return true
	}
	return false
}

// wrongCredentials are codes which say that the server does not know us (yet).
var wrongCredentials = map[string]bool{
	"InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "ExpiredToken": true, "InvalidToken": true,
	"TokenRefreshRequired": true, "RequestTimeTooSkewed": true, "RequestExpired": true, "AuthorizationHeaderMalformed": true,
	"MissingAuthenticationToken": true, "InvalidSecurity": true, "NotSignedUp": true, "UnrecognizedClientException": true,
	"InvalidClientTokenId": true, "AuthFailure": true, "ExpiredTokenException": true,
}

// hopeless tells whether nothing else would go any better: the server gives no
// answer, does not know us, or does not have the bucket.
func hopeless(err error) bool {
	if err == nil {
		return false
	}
	var api smithy.APIError
	if errors.As(err, &api) && (api.ErrorCode() == "NoSuchBucket" || wrongCredentials[api.ErrorCode()]) {
		return true
	}
	return status(err) == 0 && !errors.As(err, &api) || status(err) == http.StatusUnauthorized
}

// unsupported tells whether the server understood the request well enough to
// say that it will never do this.
func unsupported(err error) bool {
	switch status(err) {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "NotImplemented", "MethodNotAllowed", "MalformedXML", "InvalidRequest", "InvalidArgument":
		return true
	}
	return false
}
