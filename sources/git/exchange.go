package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	gittransport "github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	// referenceBytes is about how long one reference is in the list, with room for long names.
	referenceBytes = 320
	errorBytes     = 8 << 10
)

// exchange is one conversation with the server: the list of references, then packs.
type exchange struct {
	remote  *Remote
	session gittransport.UploadPackSession
	caps    *capability.List
	refs    references
}

// open asks for the list of references.
func (r *Remote) open(ctx context.Context, what string) (*exchange, error) {
	endpoint, err := gittransport.NewEndpoint(r.endpoint)
	if err != nil {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil, "%s: the URL cannot be parsed", what)
	}

	var auth gittransport.AuthMethod
	if c := r.opts.Credentials; c.Token != "" {
		auth = &githttp.TokenAuth{Token: c.Token}
	} else if !c.IsZero() {
		auth = &githttp.BasicAuth{Username: c.Username, Password: c.Password}
	}

	session, err := r.client.NewUploadPackSession(endpoint, auth)
	if err != nil {
		return nil, transport.Failure(err, r.opts.Credentials, what)
	}

	ctx, note := withNote(ctx)
	ar, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = session.Close()
		return nil, r.failure(err, note, what)
	}

	if n := len(ar.References); n > r.opts.Limits.References {
		_ = session.Close()
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "%s: it has %d, %d are allowed", what, n,
			r.opts.Limits.References)
	}

	return &exchange{remote: r, session: session, caps: ar.Capabilities, refs: newReferences(ar)}, nil
}

// close lets go of the connection, where the session has one of its own.
func (e *exchange) close() { _ = e.session.Close() }

// request says what one pack should hold.
type request struct {
	wants   []plumbing.Hash
	shallow bool         // the newest commit only
	filter  packp.Filter // "" for everything
}

// errRefused is a server's answer that it will not hand out what was asked for in this way.
var errRefused = errors.New("the server refuses the request")

// pack fetches and indexes one pack. errRefused is in the chain when the server understood the question but said no.
func (e *exchange) pack(ctx context.Context, want request, what string) (*pack, error) {
	req := packp.NewUploadPackRequestFromCapabilities(e.caps)
	req.Capabilities.Delete(capability.ThinPack) // nothing is at hand that a delta could build on
	if e.caps.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}

	req.Wants = want.wants
	if want.shallow && e.caps.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(1)
		_ = req.Capabilities.Set(capability.Shallow)
	}

	if want.filter != "" {
		req.Filter = want.filter
		_ = req.Capabilities.Set(capability.Filter)
	}

	ctx, note := withNote(ctx)
	resp, err := e.session.UploadPack(ctx, req)
	if err != nil {
		if note.err == nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errRefused, transport.Redact(err, e.remote.opts.Credentials))
			return nil, sources.Fail(v1beta1.FetchFailedReason, err, "%s", what)
		}
		return nil, e.remote.failure(err, note, what)
	}

	defer resp.Close()
	p, err := readPack(demux(req, resp), e.remote.opts.Limits, growerOf(ctx))
	if err != nil {
		return nil, e.remote.failure(err, note, what)
	}

	return p, nil
}

// demux takes the pack out of the channels it is sent in.
func demux(req *packp.UploadPackRequest, r io.Reader) io.Reader {
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case req.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// failure turns an error of the library into one with a reason. What was seen on the wire decides: the library does not
// keep it in its errors' chains.
func (r *Remote) failure(err error, n *note, what string) error {
	if n.err != nil {
		if status := (*sources.Error)(nil); errors.As(n.err, &status) {
			if status.Reason() == v1beta1.NotFoundReason {
				return sources.Fail(v1beta1.NotFoundReason, nil, "repository %s not found, or the credentials may not read it",
					r.name)
			}
			return sources.Fail(status.Reason(), nil, "%s: %s", what, status.Error()).After(status.RetryAfter())
		}
		return r.unanswered(n.err, what)
	}

	known := (*sources.Error)(nil)
	switch {
	case errors.As(err, &known):
		return sources.Fail(known.Reason(), known, "%s", what)
	case errors.Is(err, gittransport.ErrEmptyRemoteRepository):
		return sources.Fail(v1beta1.NotFoundReason, nil, "%s: the repository is empty", what)
	}

	return r.unanswered(err, what)
}

// unanswered is the failure of a request that the server did not answer.
func (r *Remote) unanswered(err error, what string) error {
	host := ""
	if u, parseErr := url.Parse(r.name); parseErr == nil {
		host = u.Host
	}
	if away := transport.Unreachable(err, "repository "+r.name, host); away != nil {
		return away
	}
	return transport.Failure(err, r.opts.Credentials, what)
}

type noteKey struct{}

// note is what was seen on the wire during one request.
type note struct{ err error }

func withNote(ctx context.Context) (context.Context, *note) {
	n := &note{}
	return context.WithValue(ctx, noteKey{}, n), n
}

// guard bounds what the library reads without a bound of its own, and notes failures.
type guard struct {
	base   http.RoundTripper
	limits Limits
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	n, ok := req.Context().Value(noteKey{}).(*note)
	if !ok {
		n = &note{}
	}

	resp, err := g.base.RoundTrip(req)
	if err != nil {
		n.err = err
		return nil, err
	}

	limit := g.limits.Bytes
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		n.err = transport.Status(resp, "the server")
		resp.Body = &notedBody{Reader: io.LimitReader(resp.Body, errorBytes), Closer: resp.Body, note: n}
		return resp, nil
	case strings.HasSuffix(req.URL.Path, "/info/refs"):
		limit = int64(g.limits.References) * referenceBytes
	}

	resp.Body = &notedBody{Reader: transport.Limit(resp.Body, limit), Closer: resp.Body, note: n}
	return resp, nil
}

// notedBody notes why reading failed: the library wraps such errors as text.
type notedBody struct {
	io.Reader
	io.Closer
	note *note
}

func (b *notedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && b.note.err == nil {
		b.note.err = err
	}
	return n, err
}
