package bucket

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// answer answers a list with what no real server would say.
func answer(w http.ResponseWriter, truncated bool, token string, contents string) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w,
		`<ListBucketResult><Name>%s</Name><IsTruncated>%v</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>`,
		name, truncated, token, contents)
}

func listed(keys ...string) string {
	text := ""
	for _, key := range keys {
		text += fmt.Sprintf("<Contents><Key>%s</Key><ETag>\"0123\"</ETag><Size>1</Size></Contents>", key)
	}
	return text
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	list := func(r *http.Request) bool { return r.URL.Query().Has("list-type") }
	tests := map[string]struct {
		serve  http.HandlerFunc
		reason string
		says   string
	}{
		"a key that leads out": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", listed("a/../../x"))
		}, v1beta1.InvalidContentReason, `impossible name "a/../../x"`},
		"an absolute key": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", listed("/etc/x"))
		}, v1beta1.InvalidContentReason, "impossible name"},
		"a backslash": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", listed(`a\b`))
		}, v1beta1.InvalidContentReason, "impossible name"},
		"a control character": {
			func(w http.ResponseWriter, _ *http.Request) { answer(w, false, "", listed("a&#10;b")) },
			v1beta1.InvalidContentReason, "impossible name"},
		"a file that is a directory": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", listed("a", "a.b", "a/b"))
		}, v1beta1.InvalidContentReason, `"a" is an object and a directory`},
		"a key twice": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", listed("a", "b", "a"))
		}, v1beta1.InvalidContentReason, `"a" twice`},
		"an object without an ETag": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", "<Contents><Key>a</Key></Contents>")
		}, v1beta1.InvalidContentReason, "no ETag"},
		"a list without an end": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, true, "again", "")
		}, v1beta1.InvalidContentReason, "pages"},
		"a page without an end": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", strings.Repeat("<Contents/>", pageTags+1))
		}, v1beta1.InvalidContentReason, "more than the limit"},
		"a long page": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, false, "", "<Contents><Key>"+strings.Repeat("x", pageBytes)+"</Key></Contents>")
		}, v1beta1.InvalidContentReason, "more than the limit"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-amz-bucket-region", "eu-west-1")
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		}, v1beta1.URLInvalidReason,
			"sends requests elsewhere, which is refused: 307 temporary redirect; the bucket is in the region eu-west-1"},
		"an error that tells secrets": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w,
				"<Error><Code>SignatureDoesNotMatch</Code><Message>%s %s</Message><AWSAccessKeyId>%s</AWSAccessKeyId></Error>",
				r.Header.Get("Authorization"), servers.SecretKey, servers.AccessKey)
		}, v1beta1.AuthenticationFailedReason, "SignatureDoesNotMatch"},
		"a code that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "<Error><Code>%s %s</Code></Error>", servers.SecretKey, servers.AccessKey)
		}, v1beta1.FetchFailedReason, "answered 418 i'm a teapot"},
		"no XML": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>hello")
		}, v1beta1.FetchFailedReason, "listing bucket"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if list(r) {
					test.serve(w, r)
				}
				return list(r)
			}})
			b := open(t, server, func(o *Options) { o.Limits.Objects = 100 })
			rev, err := b.Resolve(t.Context())
			if err == nil {
				err = b.Fetch(t.Context(), rev, io.Discard)
			}
			failed(t, err, test.reason, test.says)
		})
	}
}

func TestAnObjectThatChangesWhileItIsFetched(t *testing.T) {
	t.Parallel()
	blind := false
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/a.yaml") || !blind {
			return false
		}
		w.Header().Set("ETag", `"another"`)
		w.Header().Set("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
		_, _ = io.WriteString(w, "d")
		return true
	}})
	for _, size := range []int{1, smallObject + 1} {
		for what, change := range map[string]func() error{
			"replaced": func() error {
				return server.Put(t.Context(), name, map[string]string{"a.yaml": strings.Repeat("c", size)})
			},
			"replaced, behind a server that does not look": func() error {
				blind = true
				return nil
			},
			"deleted": func() error { return server.Delete(t.Context(), name, "a.yaml") },
		} {
			blind = false
			put(t, server, map[string]string{"a.yaml": strings.Repeat("a", size), "b.yaml": "b"})
			b := open(t, server, nil)
			rev := resolve(t, b)
			must(t, change())
			err := b.Fetch(t.Context(), rev, io.Discard)
			failed(t, err, v1beta1.FetchFailedReason, `getting "a.yaml" of bucket manifests`, "has changed since it was listed")
			if e := (*sources.Error)(nil); errors.As(err, &e) && !e.Retryable() {
				t.Errorf("%s: it is not tried again", what)
			}
		}
	}
}

func TestAListOfManyPages(t *testing.T) {
	t.Parallel()
	const pages = 5
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") {
			return false
		}
		page := 0
		_, _ = fmt.Sscanf(r.URL.Query().Get("continuation-token"), "page%d", &page)
		answer(w, page < pages-1, fmt.Sprintf("page%d", page+1), listed(fmt.Sprintf("%d/b", page), fmt.Sprintf("%d/a", page)))
		return true
	}})
	rev := resolve(t, open(t, server, nil))
	if len(rev.objects) != 2*pages || rev.objects[0].key != "0/a" || rev.objects[2*pages-1].key != "4/b" {
		t.Errorf("got %v", rev.objects)
	}
}

func FuzzValidKey(f *testing.F) {
	for _, key := range []string{"a/b.yaml", "a/../b", "/a", "a//b", "a\\b", "a\x00", ".", "a/.Git/x", "\xff", "ä/€"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if validKey(key) && !filepath.IsLocal(filepath.FromSlash(key)) {
			t.Errorf("%q is no path inside a tree", key)
		}
		if validKey(key) && path.Clean(key) != key {
			t.Errorf("%q is not clean", key)
		}
	})
}
