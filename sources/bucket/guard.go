package bucket

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	// pageBytes and pageTags bound one page of a list: a thousand objects with the longest keys, each letter escaped, have
	// less. What the page becomes in memory grows with its tags.
	pageBytes = 8 << 20
	pageTags  = 64_000
	// minPage and extraPages bound the pages of a list, for servers with small ones.
	minPage    = 50
	extraPages = 50

	errorBytes = 64 << 10
)

// guard bounds what a server may send, and turns answers that are no success into errors before the library reads them.
type guard struct {
	base  http.RoundTripper
	pages int
	asked atomic.Int64
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	list := req.URL.Query().Has("list-type")
	if list && g.asked.Add(1) > int64(g.pages) {
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "the list has more than %d pages", g.pages)
	}

	// An object that is stored compressed is wanted as it is stored: its size is known, and its ETag is for that.
	req = req.Clone(req.Context())
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}

	if resp.StatusCode == http.StatusOK {
		if list {
			resp.Body = &page{r: transport.Limit(resp.Body, pageBytes), Closer: resp.Body}
		}
		return resp, nil
	}

	return nil, refuse(resp)
}

// page counts the tags of a page while it is read.
type page struct {
	io.Closer
	r    io.Reader
	tags int
}

func (p *page) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.tags += bytes.Count(b[:n], []byte("<")); p.tags > pageTags {
		return 0, transport.ErrTooLarge
	}
	return n, err
}

// refusal is an answer that is no success. It holds nothing of what the server wrote but its code.
type refusal struct {
	status int
	code   string
	region string
	pause  time.Duration
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.status, strings.ToLower(http.StatusText(r.status)))
	if r.code != "" {
		text += " (" + r.code + ")"
	}
	return strings.TrimSpace(text)
}

var (
	codeText   = regexp.MustCompile(`^[A-Za-z0-9.]{1,60}$`)
	regionText = regexp.MustCompile(`^[a-zA-Z0-9-]{1,60}$`)
)

// refuse reads the code of an answer that is no success. The rest may hold the access key and what was signed.
func refuse(resp *http.Response) error {
	defer resp.Body.Close()
	var body struct{ Code, Region string }
	_ = xml.NewDecoder(io.LimitReader(resp.Body, errorBytes)).Decode(&body) // without a code the status has to do
	r := &refusal{status: resp.StatusCode}
	if codeText.MatchString(body.Code) {
		r.code = body.Code
	}

	for _, region := range []string{resp.Header.Get("x-amz-bucket-region"), body.Region} {
		if regionText.MatchString(region) {
			r.region = region
		}
	}

	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable ||
		resp.StatusCode == http.StatusForbidden {
		r.pause = transport.RetryAfter(resp.Header, time.Now())
	}

	return r
}

// failure formats an error. what says what was tried.
func (b *Bucket) failure(err error, what string) error {
	r := (*refusal)(nil)
	if malformed := (*xml.SyntaxError)(nil); errors.As(err, &malformed) { // the library quotes what it cannot read
		return sources.Fail(v1beta1.FetchFailedReason, nil, "%s: the answer is not XML, line %d", what, malformed.Line)
	}

	if !errors.As(err, &r) {
		if away := transport.Unreachable(err, "bucket server "+b.opts.Endpoint, b.opts.Endpoint); away != nil {
			return away
		}
		return transport.Failure(err, b.opts.Credentials, what)
	}

	reason, text := r.explain(b.opts)
	return sources.Fail(reason, nil, "%s: %s", what, text).After(r.pause)
}

// explain returns the reason of the condition and the message.
func (r *refusal) explain(o Options) (reason, text string) {
	refused := r.status == http.StatusForbidden || r.status == http.StatusUnauthorized
	switch {
	case r.status == http.StatusPreconditionFailed || r.code == "NoSuchKey":
		return v1beta1.FetchFailedReason, "the bucket has changed since it was listed; the next attempt lists it again"
	case r.status/100 == 3:
		return v1beta1.URLInvalidReason, "the endpoint sends requests elsewhere, which is refused: " + r.Error() +
			r.hint("; the bucket is in the region ")
	case r.status == http.StatusBadRequest && r.region != "" && r.region != o.Region:
		return v1beta1.AuthenticationFailedReason, r.Error() + r.hint("; spec.region has to be ")
	case r.status == http.StatusNotFound && (r.code == "NoSuchBucket" || r.code == ""):
		return v1beta1.NotFoundReason, "the endpoint has no such bucket: " + r.Error()
	case refused && o.Credentials.IsZero():
		return v1beta1.AuthenticationFailedReason, "access without credentials refused: " + r.Error()
	case refused:
		return v1beta1.AuthenticationFailedReason, "access refused: " + r.Error()
	}

	reason = v1beta1.FetchFailedReason
	if r.status == http.StatusNotFound {
		reason = v1beta1.NotFoundReason
	}

	return reason, "the endpoint answered " + r.Error()
}

func (r *refusal) hint(text string) string {
	if r.region == "" {
		return ""
	}
	return text + r.region
}
