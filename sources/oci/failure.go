package oci

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/sources/transport"
)

type pauseKey struct{}

// withPause makes room for the pause a registry asks for: the library's errors do not carry the header.
func withPause(ctx context.Context) (context.Context, *time.Duration) {
	pause := new(time.Duration)
	return context.WithValue(ctx, pauseKey{}, pause), pause
}

// watch notes the pause a registry asks for.
type watch struct{ base http.RoundTripper }

func (w *watch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if pause, ok := req.Context().Value(pauseKey{}).(*time.Duration); ok && busy(resp.StatusCode) {
		*pause = transport.RetryAfter(resp.Header, time.Now())
	}
	return resp, nil
}

func busy(code int) bool {
	return code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable || code == http.StatusForbidden
}

// answered reports whether the registry understood the question: asking in another way would only repeat the answer.
func answered(err error) bool {
	var response *errcode.ErrorResponse
	if errors.As(err, &response) {
		return response.StatusCode != http.StatusMethodNotAllowed && response.StatusCode != http.StatusBadRequest
	}
	return errors.Is(err, errdef.ErrNotFound) || errors.Is(err, auth.ErrBasicCredentialNotFound) ||
		errors.Is(err, egress.ErrRefused)
}

// code is what the codes of registries look like. The library changes the case of what is none, beyond recognition for
// a mask.
var code = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,39}$`)

// wordsOf are the codes and messages of errors. Their details are left out: they are JSON of any kind.
func wordsOf(all errcode.Errors) string {
	words := make([]string, 0, len(all))
	for _, e := range all {
		text := e.Message
		if code.MatchString(e.Code) {
			text = strings.TrimSuffix(strings.ToLower(strings.ReplaceAll(e.Code, "_", " "))+": "+text, ": ")
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}

// failure turns an error of the library into one with a reason.
func (r *Repository) failure(err error, what string, pause *time.Duration) error {
	return r.classify(err, what).After(*pause)
}

func (r *Repository) classify(err error, what string) *sources.Error {
	shown := transport.Redact(err, r.opts.Credentials)
	var response *errcode.ErrorResponse
	switch {
	case errors.As(err, &response):
		known := transport.StatusCode(response.StatusCode, what)
		if len(response.Errors) == 0 {
			return known
		}

		failure := sources.Fail(known.Reason(), transport.Redact(errors.New(wordsOf(response.Errors)), r.opts.Credentials),
			"%s", known.Error())
		if sources.IsRefusal(known) {
			failure = failure.OfRefusal()
		}

		return failure
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return sources.Fail(v1beta1.AuthenticationFailedReason, nil, "%s: access refused: the registry wants credentials",
			what).
			OfRefusal()
	case errors.Is(err, errdef.ErrNotFound):
		return sources.Fail(v1beta1.NotFoundReason, nil, "%s: the registry does not have it", what)
	case errors.Is(err, errdef.ErrTooManyPages), errors.Is(err, errdef.ErrSizeExceedsLimit),
		errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData):
		return sources.Fail(v1beta1.InvalidContentReason, shown, "%s", what)
	}

	if away := transport.Unreachable(err, "registry "+r.Host(), r.Host()); away != nil {
		return away
	}

	return transport.Failure(err, r.opts.Credentials, what)
}
