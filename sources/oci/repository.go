package oci

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"k8s.io/utils/lru"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/sources/transport"
)

// Defaults of Limits.
const (
	DefaultTagLimit      = 50_000
	DefaultManifestLimit = 1 << 20
	DefaultChartLimit    = 20 << 20
)

const (
	tagPageSize  = 1000
	maxTagPages  = 1000 // registries that ignore the page size answer with pages of 50 or 100
	tagPageBytes = 4 << 20

	maxReferrerPages = 20
)

// Limits bound what one repository may send.
type Limits struct {
	// Tags is how many tags are listed, DefaultTagLimit when zero.
	Tags int
	// Manifest is the size of a manifest or of a chart's config in bytes, DefaultManifestLimit when zero.
	Manifest int64
	// Chart is the size of a chart archive in bytes, DefaultChartLimit when zero.
	Chart int64
}

// Options say which repository is meant and how to reach it.
type Options struct {
	// Repository is host/path, without oci:// and without a tag.
	Repository string
	// PlainHTTP speaks HTTP instead of HTTPS; nothing falls back to it.
	PlainHTTP bool
	// Credentials are sent to the registry and to the token service it names.
	Credentials sources.Credentials
	// HTTP is the client to use, from transport.New; one with default options when nil.
	HTTP *http.Client
	// Layer is the media type of the layer that holds manifests; empty takes the only one that is a tar.gz.
	Layer string
	// Limits bound what is accepted.
	Limits Limits
}

// Repository is one repository of a registry. Many goroutines may use it. It holds the token the registry gave out, so
// keeping it saves the exchange for the next one.
type Repository struct {
	remote *remote.Repository
	opts   Options
	name   string
}

// New checks the options without a request. A repository that is no host/path, or that carries a tag or
// credentials, is a sources.Error with reason URLInvalid, stalled.
func New(o Options) (*Repository, error) {
	if strings.Contains(o.Repository, "@") || strings.Contains(o.Repository, "://") {
		return nil, badName("the repository must be host/path, without a scheme, a digest or credentials")
	}

	ref, err := registry.ParseReference(strings.TrimSuffix(o.Repository, "/"))
	if err != nil {
		return nil, badName("the repository %q is not host/path in lower case", o.Repository)
	}
	if ref.Reference != "" {
		return nil, badName("the repository %s must not name the tag %q", ref.Registry+"/"+ref.Repository, ref.Reference)
	}

	scheme := "https"
	if o.PlainHTTP {
		scheme = "http"
	}
	if _, err := transport.ParseURL(scheme+"://"+ref.Registry, scheme); err != nil {
		return nil, err
	}

	o.Limits = withDefaults(o.Limits)
	return &Repository{remote: newRemote(ref, o), opts: o, name: ref.Registry + "/" + ref.Repository}, nil
}

func badName(format string, args ...any) error {
	return sources.Stall(v1beta1.URLInvalidReason, nil, format, args...)
}

func withDefaults(l Limits) Limits {
	if l.Tags <= 0 {
		l.Tags = DefaultTagLimit
	}
	if l.Manifest <= 0 {
		l.Manifest = DefaultManifestLimit
	}
	if l.Chart <= 0 {
		l.Chart = DefaultChartLimit
	}

	return l
}

func newRemote(ref registry.Reference, o Options) *remote.Repository {
	base := o.HTTP
	if base == nil {
		base = transport.New(transport.Options{})
	}

	client := *transport.As(base, o.Credentials)
	client.Transport = &watch{base: transport.Retry(transport.Base(&client))}
	ac := &auth.Client{
		Client:   &client,
		Cache:    tokens(ref.Registry, o, transport.Way(base)),
		ClientID: transport.UserAgent,
		// The library's own list refuses loopback too, where registries of tests and of the cluster's nodes are.
		BlockedRealmPrefixes: egress.Always(),
	}
	if c := o.Credentials; !c.IsZero() {
		ac.Credential = auth.StaticCredential(ref.Registry, auth.Credential{Username: c.Username, Password: c.Password})
	}

	return &remote.Repository{
		Client:           ac,
		Reference:        ref,
		PlainHTTP:        o.PlainHTTP,
		TagListPageSize:  tagPageSize,
		TagListMaxPages:  maxTagPages,
		MaxMetadataBytes: tagPageBytes,

		ReferrerListMaxPages: maxReferrerPages,
		// The library deletes the former index of referrers otherwise, and fails where that is forbidden.
		SkipReferrersGC: true,
	}
}

// maxTokens is how many registries and credentials are signed in at a time.
const maxTokens = 1024

// signedIn holds what registries have answered to credentials: tokens, until they end, so that a poll does not begin
// with a refusal.
var signedIn = struct {
	sync.Mutex
	all *lru.Cache
}{all: lru.New(maxTokens)}

// tokens is where the tokens of a registry for credentials are kept. Other credentials never see them, and neither do
// those who reach the registry in another way: through a proxy, or with certificates of their own, another server may
// have answered in its name.
func tokens(registry string, o Options, way string) auth.Cache {
	if way == "" {
		return auth.NewCache() // it is not known how this client reaches the registry
	}

	sum := sha256.New()
	for _, part := range []string{
		registry, o.Credentials.Username, o.Credentials.Password, strconv.FormatBool(o.PlainHTTP), way,
	} {
		fmt.Fprintf(sum, "%d %s ", len(part), part)
	}

	key := [sha256.Size]byte(sum.Sum(nil))
	signedIn.Lock()
	defer signedIn.Unlock()
	if known, ok := signedIn.all.Get(key); ok {
		return known.(auth.Cache)
	}

	made := auth.NewCache()
	signedIn.all.Add(key, made)
	return made
}

// String is host/path.
func (r *Repository) String() string { return r.name }

// Host is the host of the registry, with its port.
func (r *Repository) Host() string { return r.remote.Reference.Registry }

// Tags lists all tags in the registry's order. Errors are a sources.Error with reason AuthenticationFailed, NotFound
// for an unknown repository, FetchFailed, or InvalidContent for more tags than the limit.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	what := "listing the tags of " + r.name
	ctx, pause := withPause(ctx)
	var all []string
	err := r.remote.Tags(ctx, "", func(tags []string) error {
		if all = append(all, tags...); len(all) > r.opts.Limits.Tags {
			return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: there are more than %d", what, r.opts.Limits.Tags)
		}
		return nil
	})
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	return all, nil
}

// Resolve returns the digest of the manifest behind a tag or a digest, as sha256:hex, with one HEAD where the registry
// can do that. A version may be given as it is: "+" becomes the "_" of tags. Errors are a sources.Error with reason
// AuthenticationFailed, NotFound, FetchFailed, InvalidContent, or InvalidReference, stalled, for what can be no tag.
func (r *Repository) Resolve(ctx context.Context, tagOrDigest string) (manifestDigest string, err error) {
	ref := strings.ReplaceAll(tagOrDigest, "+", "_")
	what := "resolving " + tagOrDigest + " of " + r.name
	if err := (registry.Reference{Registry: "r", Repository: "r", Reference: ref}).ValidateReference(); err != nil ||
		ref == "" {
		return "", sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is neither a tag nor a digest", tagOrDigest)
	}

	ctx, pause := withPause(ctx)
	d, err := r.remote.Resolve(ctx, ref)
	if err != nil && !answered(err) && ctx.Err() == nil {
		// Some registries and proxies leave the digest or the length out of the answer to HEAD.
		raw, err := r.get(ctx, ref, what)
		if err != nil {
			return "", err
		}

		return digest.FromBytes(raw).String(), nil
	}
	if err != nil {
		return "", r.failure(err, what, pause)
	}
	if sources.IsDigest(d.Digest.String()) {
		return d.Digest.String(), nil
	}

	return "", sources.Fail(v1beta1.InvalidContentReason, nil, "%s: the digest is not a sha256 one", what)
}
