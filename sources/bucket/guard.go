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
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusForbidden {
		r.pause = transport.RetryAfter(resp.Header, time.Now())
	}
	return r
}

// failure words what went wrong. what says what was tried.
func (b *Bucket) failure(err error, what string) error {
	r := (*refusal)(nil)
	if !errors.As(err, &r) {
		return transport.Failure(err, b.opts.Credentials, what)
	}
	fail := func(reason, format string, args ...any) error {
		return sources.Fail(reason, nil, "%s: %s", what, fmt.Sprintf(format, args...)).After(r.pause)
	}
	elsewhere := r.code == "AuthorizationHeaderMalformed" || r.code == "InvalidRegion" || r.status == http.StatusBadRequest
	switch {
	case r.status/100 == 3:
		return fail(v1beta1.URLInvalidReason, "the endpoint sends requests elsewhere, which is refused: %s%s", r, r.hint("; the bucket is in the region "))
	case elsewhere && r.region != "" && r.region != b.opts.Region:
		return fail(v1beta1.AuthenticationFailedReason, "%s%s", r, r.hint("; spec.region has to be "))
	case r.status == http.StatusPreconditionFailed || r.code == "NoSuchKey":
		return fail(v1beta1.FetchFailedReason, "the bucket has changed since it was listed; the next attempt lists it anew")
	case r.status == http.StatusNotFound && (r.code == "NoSuchBucket" || r.code == ""):
		return fail(v1beta1.NotFoundReason, "the endpoint has no such bucket: %s", r)
	case r.status == http.StatusNotFound:
		return fail(v1beta1.NotFoundReason, "the endpoint answered %s", r)
	case r.status == http.StatusForbidden || r.status == http.StatusUnauthorized:
		who := "access refused"
		if b.opts.Credentials.IsZero() {
			who = "access without credentials refused"
		}
		return fail(v1beta1.AuthenticationFailedReason, "%s: %s", who, r)
	}
	return fail(v1beta1.FetchFailedReason, "the endpoint answered %s", r)
}

func (r *refusal) hint(text string) string {
	if r.region == "" {
		return ""
	}
	return text + r.region
}
