package bucket

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Defaults of Limits.
const (
	DefaultByteLimit   = 256 << 20
	DefaultObjectLimit = 50_000
)

const (
	// defaultRegion is what servers without regions expect in signatures.
	defaultRegion = "us-east-1"
	maxKey        = 1024
)

// Limits bound what is listed and fetched.
type Limits struct {
	// Bytes of all objects in the archive together; DefaultByteLimit when zero.
	Bytes int64
	// Objects is how many objects there are below the prefix, ignored ones too; DefaultObjectLimit when zero.
	Objects int
}

// Options say which bucket is meant and how to reach it.
type Options struct {
	// Endpoint is host or host:port of the server.
	Endpoint string
	// Bucket is the name of the bucket.
	Bucket string
	// Prefix is how the keys begin that count; all do when it is empty.
	Prefix string
	// Region goes into signatures. Left out, it is read from the endpoint, else us-east-1.
	Region string
	// Insecure speaks plain HTTP.
	Insecure bool
	// Ignore holds patterns in the format of .gitignore that count instead of the files named .sourceignore and the
	// defaults, when it is not nil.
	Ignore *string
	// Credentials are the access key and the secret key; requests are not signed without.
	Credentials sources.Credentials
	// HTTP is the client whose transport is used, from transport.New; one with default options when nil.
	HTTP *http.Client
	// Limits bound what is accepted.
	Limits Limits
}

// Bucket is a bucket of a server. It holds no state, so many goroutines may use it.
type Bucket struct {
	opts Options
	base http.RoundTripper
}

// New checks the options without a request. An endpoint that cannot be used is a sources.Error with reason
// URLInvalid, a bucket name, prefix or region that cannot be one is InvalidReference; both are stalled.
func New(o Options) (*Bucket, error) {
	scheme := "https"
	if o.Insecure {
		scheme = "http"
	}
	if strings.Contains(o.Endpoint, "://") {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil,
			"the endpoint is host or host:port, without a scheme; spec.insecure chooses plain http")
	}

	u, err := transport.ParseURL(scheme+"://"+o.Endpoint, scheme)
	if err != nil {
		return nil, err
	}
	if strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil, "the endpoint is host or host:port, without a path")
	}

	o.Endpoint = u.Host
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.100q cannot be the name of a bucket", o.Bucket)
	}
	if err := s3utils.CheckValidObjectNamePrefix(o.Prefix); err != nil || strings.ContainsRune(o.Prefix, 0) {
		return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.100q cannot be the prefix of a key", o.Prefix)
	}
	if strings.Trim(o.Region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.100q cannot be a region", o.Region)
	}

	o.Limits.Bytes = cmp.Or(max(o.Limits.Bytes, 0), DefaultByteLimit)
	o.Limits.Objects = cmp.Or(max(o.Limits.Objects, 0), DefaultObjectLimit)
	if o.HTTP == nil {
		o.HTTP = transport.New(transport.Options{})
	}

	b := &Bucket{opts: o, base: transport.Base(transport.As(o.HTTP, o.Credentials))}
	_, err = b.client()
	return b, err
}

// String names the bucket and its server.
func (b *Bucket) String() string { return "bucket " + b.opts.Bucket + " at " + b.opts.Endpoint }

func region(u url.URL) string { return cmp.Or(s3utils.GetRegionFromURL(u), defaultRegion) }

// client makes the client of one call: what it counts and remembers ends with the call.
func (b *Bucket) client() (*minio.Client, error) {
	c, err := minio.New(b.opts.Endpoint, &minio.Options{
		Creds:     credentials.NewStaticV4(b.opts.Credentials.Username, b.opts.Credentials.Password, ""),
		Secure:    !b.opts.Insecure,
		Region:    b.opts.Region,
		Transport: &guard{base: transport.Retry(b.base), pages: b.opts.Limits.Objects/minPage + extraPages},
		// Without a region the library would ask for it, and again for every client.
		CustomRegionViaURL: region,
		// Retry does that, and leaves alone what would only fail again.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, sources.Stall(v1beta1.URLInvalidReason, transport.Redact(err, b.opts.Credentials), "using the endpoint")
	}

	return c, nil
}
