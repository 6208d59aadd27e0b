package helmrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Defaults of Limits, in bytes.
const (
	DefaultIndexLimit = 50 << 20
	DefaultChartLimit = 20 << 20
)

// Limits bound what one repository may send, in bytes.
type Limits struct {
	// Index is the size of an index, DefaultIndexLimit when zero.
	Index int64
	// Chart is the size of a chart archive, DefaultChartLimit when zero.
	Chart int64
}

// Options say which repository is meant and how to reach it.
type Options struct {
	// URL of the repository, http or https, without index.yaml.
	URL string
	// Credentials are sent to the host of URL.
	Credentials sources.Credentials
	// PassCredentials sends them to the hosts of the archives too.
	PassCredentials bool
	// HTTP is the client to use, from transport.New; one with default options when nil.
	HTTP *http.Client
	// Limits bound what is accepted.
	Limits Limits
}

// Repository is a Helm repository with an index.yaml over HTTP. It holds no state, so many goroutines may use it.
type Repository struct {
	base   *url.URL // its path ends in a slash
	opts   Options
	client *http.Client
}

// New checks the options without a request. A URL that cannot be used is a sources.Error with reason URLInvalid,
// stalled.
func New(o Options) (*Repository, error) {
	base, err := transport.ParseURL(o.URL, "https", "http")
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(base.Path, "/") {
		base = base.JoinPath("/")
	}
	if o.Limits.Index <= 0 {
		o.Limits.Index = DefaultIndexLimit
	}
	if o.Limits.Chart <= 0 {
		o.Limits.Chart = DefaultChartLimit
	}
	if o.HTTP == nil {
		o.HTTP = transport.New(transport.Options{})
	}

	client := *o.HTTP
	client.Transport = transport.Retry(transport.Base(o.HTTP))
	return &Repository{base: base, opts: o, client: &client}, nil
}

// FetchIndex asks for index.yaml once, writes it to w and returns the validators to send next time. unchanged is true,
// and nothing is written, when upstream says that the index is still the one the validators stand for. What was written
// before an error is worthless. Errors are a sources.Error with reason AuthenticationFailed, NotFound, FetchFailed,
// InvalidContent for an index above the limit, or URLInvalid for a refused address.
func (r *Repository) FetchIndex(
	ctx context.Context, have Validators, w io.Writer,
) (got Validators, unchanged bool, err error) {
	u := r.base.JoinPath("index.yaml")
	what := "fetching the index " + show(u)
	resp, err := r.get(ctx, u, have, what)
	if err != nil {
		return Validators{}, false, err
	}

	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && have != (Validators{}) {
		return have, true, nil
	}
	if resp.StatusCode != http.StatusOK {
		return Validators{}, false, transport.Status(resp, what)
	}
	if err := r.copy(w, resp, r.opts.Limits.Index, what); err != nil {
		return Validators{}, false, err
	}

	return validatorsOf(resp.Header), false, nil
}

// FetchChart writes the archive of an entry to w. A relative URL counts from the repository's. Credentials are sent to
// the repository's host only, unless PassCredentials is set. An archive whose digest is not that of the entry, or that
// is above the limit, is a sources.Error with reason InvalidContent; what was written before an error is worthless.
func (r *Repository) FetchChart(ctx context.Context, e Entry, w io.Writer) error {
	what := "fetching the chart " + e.Name + " " + e.Tag
	u, err := r.archive(e, what)
	if err != nil {
		return err
	}

	what += " from " + show(u)
	resp, err := r.get(ctx, u, Validators{}, what)
	if err != nil {
		return err
	}

	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return transport.Status(resp, what)
	}

	sum := sha256.New()
	if err := r.copy(io.MultiWriter(w, sum), resp, r.opts.Limits.Chart, what); err != nil {
		return err
	}

	digest := sources.DigestPrefix + hex.EncodeToString(sum.Sum(nil))
	if e.Digest != "" && e.Digest != digest {
		return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: it has the digest %s, the index says %s", what, digest,
			e.Digest)
	}

	return nil
}

// FetchProvenance writes the provenance file of an entry to w, which is beside its archive with .prov at the end of its
// name. One that is not there is a sources.Error with reason VerificationFailed; other errors are as those of
// FetchChart.
func (r *Repository) FetchProvenance(ctx context.Context, e Entry, limit int64, w io.Writer) error {
	what := "fetching the provenance file of chart " + e.Name + " " + e.Tag
	u, err := r.archive(e, what)
	if err != nil {
		return err
	}

	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path + ".prov", RawQuery: u.RawQuery}
	what += " from " + show(u)
	resp, err := r.get(ctx, u, Validators{}, what)
	if err != nil {
		return err
	}

	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return r.copy(w, resp, limit, what)
	case http.StatusNotFound:
		return sources.Fail(v1beta1.VerificationFailedReason, nil,
			"chart %s %s has no provenance file: there is nothing at %s", e.Name, e.Tag, show(u))
	default:
		return transport.Status(resp, what)
	}
}

// archive finds where an entry's archive is.
func (r *Repository) archive(e Entry, what string) (*url.URL, error) {
	ref, err := url.Parse(e.URL)
	if err != nil || e.URL == "" {
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "%s: the index has no usable URL for it", what)
	}

	if ref.Scheme == "oci" {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil,
			"%s: the index says that it is in a registry: use the URL oci://%s", what,
			ref.Host+strings.TrimSuffix(ref.Path, "/"+e.Name))
	}

	u := r.base.ResolveReference(ref)
	if !ref.IsAbs() && ref.Host == "" && u.RawQuery == "" {
		u.RawQuery = r.base.RawQuery
	}

	u.Fragment = ""
	if _, err := transport.ParseURL(u.String(), "https", "http"); err != nil {
		return nil, sources.Fail(v1beta1.InvalidContentReason, err, "%s", what)
	}
	if r.base.Scheme == "https" && u.Scheme == "http" && r.opts.PassCredentials && !r.opts.Credentials.IsZero() {
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "%s: credentials are not sent over plain http", what)
	}

	return u, nil
}

func (r *Repository) get(ctx context.Context, u *url.URL, have Validators, what string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, transport.Failure(err, r.opts.Credentials, what)
	}

	switch {
	case have.ETag != "":
		req.Header.Set("If-None-Match", have.ETag)
	case have.LastModified != "":
		req.Header.Set("If-Modified-Since", have.LastModified)
	}

	if c := r.opts.Credentials; !c.IsZero() && (r.opts.PassCredentials || transport.SameHost(u, r.base)) {
		req.SetBasicAuth(c.Username, c.Password)
	}

	resp, err := r.client.Do(req)
	if away := transport.Unreachable(err, "Helm repository "+show(r.base), u.Host); away != nil {
		return nil, away
	}
	if err != nil {
		return nil, transport.Failure(err, r.opts.Credentials, what)
	}

	return resp, nil
}

// copy hands a body on within a limit, and separates our own writer's failure from upstream's.
func (r *Repository) copy(w io.Writer, resp *http.Response, limit int64, what string) error {
	if resp.ContentLength > limit {
		return tooLarge(what, limit)
	}

	sink := transport.WatchWriter(w)
	_, err := io.Copy(sink, transport.Limit(resp.Body, limit))
	switch {
	case sink.Err != nil:
		return sink.Err
	case err == transport.ErrTooLarge: //nolint:errorlint // it comes straight from Limit
		return tooLarge(what, limit)
	case err != nil:
		return transport.Failure(err, r.opts.Credentials, what)
	}

	return nil
}

func tooLarge(what string, limit int64) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: it has more than the %d bytes that are allowed", what,
		limit)
}

// show is a URL for people: a query may hold a token.
func show(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }
