package transport

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

// maxPause is the longest pause upstream may ask for; longer ones are a mistake or a trick.
const maxPause = time.Hour

// RetryAfter reads the header of an answer that says how long to stay away, in seconds or as a date; now is what a date
// is measured from. It is zero without one, and never more than an hour.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), maxPause)
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), maxPause)
	}

	return 0
}

// Status turns an answer that is no success into an Error: 401 and 403 are AuthenticationFailed, 404 and 410 NotFound,
// everything else FetchFailed; 403, 429 and 503 carry the pause upstream asks for. All may be tried again: upstream may
// change its mind. what says what was tried.
func Status(resp *http.Response, what string) *sources.Error {
	return StatusCode(resp.StatusCode, what).After(pause(resp))
}

func pause(resp *http.Response) time.Duration {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusForbidden: // some say "too many" with 403
		return RetryAfter(resp.Header, time.Now())
	}
	return 0
}

// StatusCode is Status for a caller that has the code alone.
func StatusCode(code int, what string) *sources.Error {
	text := fmt.Sprintf("%d %s", code, strings.ToLower(http.StatusText(code)))
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return sources.Fail(v1beta1.AuthenticationFailedReason, nil, "%s: access refused: %s", what, text).OfRefusal()
	case http.StatusNotFound, http.StatusGone:
		return sources.Fail(v1beta1.NotFoundReason, nil, "%s: %s", what, text)
	}
	return sources.Fail(v1beta1.FetchFailedReason, nil, "%s: upstream answered %s", what, text)
}

// Failure turns what went wrong while talking to upstream into an Error: a sources.Error in the chain keeps its reason,
// a refused address is URLInvalid, too many bytes are InvalidContent, and the rest is FetchFailed. Neither its text nor
// the texts of its causes show the credentials, the query of a URL, or credentials in a URL.
func Failure(err error, c sources.Credentials, what string) *sources.Error {
	if known := (*sources.Error)(nil); errors.As(err, &known) {
		return known
	}

	shown := Redact(err, c)
	switch {
	case errors.Is(err, egress.ErrRefused):
		return sources.Fail(v1beta1.URLInvalidReason, shown, "%s", what)
	case errors.Is(err, ErrTooLarge):
		return sources.Fail(v1beta1.InvalidContentReason, shown, "%s", what)
	case errors.Is(err, context.DeadlineExceeded):
		return sources.Fail(v1beta1.FetchFailedReason, context.DeadlineExceeded, "%s", what)
	}

	return sources.Fail(v1beta1.FetchFailedReason, shown, "%s", what)
}

// redacted shows a safe text and still answers errors.Is.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string        { return r.text }
func (r *redacted) Is(target error) bool { return errors.Is(r.err, target) }

var urlInText = regexp.MustCompile(`(https?://)[^\s"'<>]+`)

// Redact returns an error that answers errors.Is as err does, with a text that is safe to show: without the
// credentials, without what a URL has before and behind its host, in one line of at most 500 characters. nil stays nil.
func Redact(err error, c sources.Credentials) error {
	if err == nil {
		return nil
	}
	return &redacted{text: redactText(err.Error(), c), err: err}
}

func redactText(text string, c sources.Credentials) string {
	const most = 500
	text = urlInText.ReplaceAllStringFunc(text, shortURL)
	for _, secret := range secretsOf(c) {
		text = strings.ReplaceAll(text, secret, "***")
	}

	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar
	}), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}

	return text
}

// shortURL keeps of a URL only the scheme and the host. Its path may be secret as its query is: an upstream can
// redirect to an address with the credentials that it was sent, escaped in unforeseeable ways. What was
// asked for is named in front of such errors.
func shortURL(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	host := rest
	tail := ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
		tail = "/…"
		if strings.HasSuffix(u, ":") {
			tail += ":"
		}
	}

	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + tail
}

func secretsOf(c sources.Credentials) []string {
	if c.Token != "" {
		return []string{c.Token}
	}
	if c.Password == "" {
		return nil
	}
	return []string{base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password)), c.Password}
}
