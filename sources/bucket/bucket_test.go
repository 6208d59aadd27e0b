package bucket

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/test/servers"
)

const name = "manifests"

func serve(t *testing.T, o servers.Options) *servers.Buckets {
	t.Helper()
	server, err := servers.BucketServer(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	must(t, server.Create(t.Context(), name))
	return server
}

func put(t *testing.T, server *servers.Buckets, objects map[string]string) {
	t.Helper()
	must(t, server.Put(t.Context(), name, objects))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open returns the bucket of a server, with the options changed.
func open(t *testing.T, server *servers.Buckets, change func(*Options)) *Bucket {
	t.Helper()
	o := Options{
		Endpoint: server.Host(), Bucket: name, Insecure: true,
		Credentials: sources.Credentials{Username: servers.AccessKey, Password: servers.SecretKey},
	}
	if change != nil {
		change(&o)
	}
	b, err := New(o)
	must(t, err)
	return b
}

func resolve(t *testing.T, b *Bucket) Revision {
	t.Helper()
	rev, err := b.Resolve(t.Context())
	must(t, err)
	if !sources.IsDigest(rev.String()) {
		t.Fatalf("the revision is %s", rev)
	}
	return rev
}

func fetched(t *testing.T, b *Bucket) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, b.Fetch(t.Context(), resolve(t, b), &out))
	return out.Bytes()
}

func names(t *testing.T, archive []byte) []string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	var found []string
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		if h.Mode != 0o644 || h.Typeflag != tar.TypeReg || !h.ModTime.IsZero() && h.ModTime.Unix() != 0 {
			t.Errorf("%s has mode %o, type %c and time %s", h.Name, h.Mode, h.Typeflag, h.ModTime)
		}
		content, err := io.ReadAll(r)
		must(t, err)
		if len(content) > 40 {
			content = fmt.Appendf(nil, "%d bytes", len(content))
		}
		found = append(found, h.Name+"="+string(content))
	}
}

func failed(t *testing.T, err error, reason string, says ...string) {
	t.Helper()
	var e *sources.Error
	if !errors.As(err, &e) || e.Reason() != reason {
		t.Fatalf("got %v (%s), want reason %s", err, sources.Reason(err), reason)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	for _, secret := range []string{servers.SecretKey, servers.AccessKey, "Signature=", "X-Amz"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows %q", err, secret)
		}
	}
}

func TestTheRevisionFollowsTheContent(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	put(t, server, map[string]string{"apps/a.yaml": "a", "apps/b/c.yaml": "c", "logo.png": "picture"})
	b := open(t, server, nil)
	first := resolve(t, b)
	server.Forget()
	if again := resolve(t, b); again.String() != first.String() {
		t.Errorf("%s became %s without a change", first, again)
	}
	if diff := cmp.Diff([]string{"GET /" + name + "/"}, server.Seen()); diff != "" {
		t.Errorf("one list is asked for (-want +got):\n%s", diff)
	}
	put(t, server, map[string]string{"logo.png": "another picture"})
	if got := resolve(t, b); got.String() != first.String() {
		t.Error("an object that is ignored counts")
	}
	seen := map[string]string{first.String(): "the first"}
	steps := []struct {
		what string
		step func() error
	}{
		{"another content", func() error {
			return server.Put(t.Context(), name, map[string]string{"apps/a.yaml": "b"})
		}},
		{"a new object", func() error { return server.Put(t.Context(), name, map[string]string{"apps/d.yaml": "b"}) }},
		{"one object less", func() error { return server.Delete(t.Context(), name, "apps/b/c.yaml") }},
		{"a file of patterns", func() error {
			return server.Put(t.Context(), name, map[string]string{".sourceignore": "!logo.png"})
		}},
		{"an object that is ignored but for the patterns", func() error {
			return server.Put(t.Context(), name, map[string]string{"logo.png": "third picture"})
		}},
		{"patterns of the spec", func() error {
			all := ""
			b = open(t, server, func(o *Options) { o.Ignore = &all })
			return nil
		}},
	}
	for _, s := range steps {
		must(t, s.step())
		got := resolve(t, b).String()
		if before, known := seen[got]; known {
			t.Errorf("%s gives the revision of %s", s.what, before)
		}
		seen[got] = s.what
	}
}

func TestTheArchiveIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	objects := map[string]string{
		"b/c.yaml": "c", "a.yaml": "a", "b.yaml": "", "large": strings.Repeat("x", smallObject+1), "marker/": "",
	}
	for i := range 60 {
		objects[fmt.Sprintf("many/%02d", i)] = fmt.Sprint(i)
	}
	put(t, server, objects)
	b := open(t, server, nil)
	one, two := fetched(t, b), fetched(t, b)
	if !bytes.Equal(one, two) {
		t.Error("the archives differ")
	}
	want := []string{"a.yaml=a", "b.yaml=", "b/c.yaml=c", fmt.Sprintf("large=%d bytes", smallObject+1)}
	for i := range 60 {
		want = append(want, fmt.Sprintf("many/%02d=%d", i, i))
	}
	if diff := cmp.Diff(want, names(t, one)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsIgnoredIsNotDownloaded(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	put(t, server, map[string]string{
		".sourceignore": "/test/\n", "a.yaml": "a", "test/x.yaml": "x", "logo.png": "p",
		"deploy/.sourceignore": "!*.png\nsecret*", "deploy/l.png": "q", "deploy/secret.yaml": "s",
	})
	all, deploy := "/*\n!/a.yaml\n", func(o *Options) { o.Prefix = "deploy/" }
	tests := map[string]struct {
		change func(*Options)
		want   []string
	}{
		"files of patterns": {nil,
			[]string{".sourceignore=/test/\n", "a.yaml=a", "deploy/.sourceignore=!*.png\nsecret*", "deploy/l.png=q"}},
		"a prefix": {deploy, []string{"deploy/.sourceignore=!*.png\nsecret*", "deploy/l.png=q"}},
		"the spec": {func(o *Options) { o.Ignore = &all }, []string{"a.yaml=a"}},
	}
	for what, test := range tests {
		server.Forget()
		if diff := cmp.Diff(test.want, names(t, fetched(t, open(t, server, test.change)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		for _, request := range server.Seen() {
			if strings.Contains(request, "logo") || strings.Contains(request, "secret") || strings.Contains(request, "test/") {
				t.Errorf("%s: %s was asked for", what, request)
			}
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	put(t, server, map[string]string{"a.yaml": "a", "b.yaml": "bb", "c/d": "d"})
	badPatterns := "[a"
	tests := map[string]struct {
		change func(*Options)
		reason string
		says   string
	}{
		"a wrong secret key": {func(o *Options) {
			o.Credentials.Password = "wrong-secret"
		}, v1beta1.AuthenticationFailedReason, "access refused: 403 forbidden (SignatureDoesNotMatch)"},
		"an unknown access key": {func(o *Options) {
			o.Credentials.Username = "nobody"
		}, v1beta1.NotFoundReason, "answered 404 not found (XAdminUserNotFound)"},
		"no keys": {func(o *Options) {
			o.Credentials = sources.Credentials{}
		}, v1beta1.AuthenticationFailedReason, "access without credentials refused"},
		"an unknown bucket": {func(o *Options) { o.Bucket = "other" }, v1beta1.NotFoundReason, "no such bucket"},
		"another region": {func(o *Options) {
			o.Region = "eu-west-9"
		}, v1beta1.AuthenticationFailedReason, "spec.region has to be us-east-1"},
		"too many objects": {func(o *Options) {
			o.Limits.Objects = 2
		}, v1beta1.InvalidContentReason, "more than the 2 objects"},
		"too many bytes": {func(o *Options) {
			o.Limits.Bytes = 3
		}, v1beta1.InvalidContentReason, "more than the 3 bytes"},
		"unreadable patterns": {func(o *Options) {
			o.Ignore = &badPatterns
		}, v1beta1.InvalidReferenceReason, "spec.ignore"},
		"nothing listens": {func(o *Options) {
			o.Endpoint = "127.0.0.1:1"
		}, v1beta1.FetchFailedReason, "bucket server 127.0.0.1:1 cannot be reached: connection refused"},
		"TLS to a plain server": {func(o *Options) {
			o.Insecure = false
		}, v1beta1.FetchFailedReason, "listing bucket manifests at"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := open(t, server, test.change)
			rev, err := b.Resolve(t.Context())
			if err == nil {
				err = b.Fetch(t.Context(), rev, io.Discard)
			}
			failed(t, err, test.reason, test.says)
			if strings.Contains(err.Error(), "wrong-secret") || strings.Contains(err.Error(), "nobody") {
				t.Errorf("a key is shown: %s", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, server, nil).Resolve(ctx); err == nil {
		t.Error("a list that was ended counts")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options Options
		reason  string
	}{
		"no endpoint": {Options{Bucket: name}, v1beta1.URLInvalidReason},
		"a scheme":    {Options{Endpoint: "https://example.com", Bucket: name}, v1beta1.URLInvalidReason},
		"a path":      {Options{Endpoint: "example.com/x", Bucket: name}, v1beta1.URLInvalidReason},
		"credentials": {Options{Endpoint: "u:" + servers.SecretKey + "@example.com", Bucket: name},
			v1beta1.URLInvalidReason},
		"a metadata address":  {Options{Endpoint: "169.254.169.254", Bucket: name}, v1beta1.URLInvalidReason},
		"a name that is none": {Options{Endpoint: "example.com", Bucket: "../x"}, v1beta1.InvalidReferenceReason},
		"no bucket":           {Options{Endpoint: "example.com"}, v1beta1.InvalidReferenceReason},
		"a long prefix": {Options{Endpoint: "example.com", Bucket: name, Prefix: strings.Repeat("x", 1025)},
			v1beta1.InvalidReferenceReason},
		"a region with a line end": {Options{Endpoint: "example.com", Bucket: name, Region: "a\nb"},
			v1beta1.InvalidReferenceReason},
	}
	for what, test := range tests {
		_, err := New(test.options)
		if err == nil {
			t.Errorf("%s is taken", what)
			continue
		}
		failed(t, err, test.reason)
		if e := (*sources.Error)(nil); errors.As(err, &e) && e.Retryable() {
			t.Errorf("%s: it is tried again", what)
		}
	}
}

func TestChartsInABucket(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	put(t, server,
		map[string]string{
			"charts/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\n", "charts/app/templates/a.yaml": "a: 1\n",
		})
	var packed bytes.Buffer
	chart, err := git.PackChart(bytes.NewReader(fetched(t, open(t, server, nil))), "charts/app", &packed, git.Limits{})
	if err != nil || chart.Name != "app" || chart.Version != "1.2.3" {
		t.Errorf("got %+v, %v", chart, err)
	}
}
