package transport

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

const secret = "hunter2hunter2"

// get reads a page to its end.
func get(t *testing.T, c *http.Client, u string, auth bool) (body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	if auth {
		req.SetBasicAuth("robot", secret)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return string(content), err
}

func TestTheDialerRefusesWhatANameResolvesTo(t *testing.T) {
	// Written as an address the check before the request would see it; the dialer is asked directly.
	_, err := get(t, New(Options{}), "http://169.254.169.254/latest", false)
	if !errors.Is(err, egress.ErrRefused) {
		t.Fatalf("got %v", err)
	}
	failure := Failure(err, sources.Credentials{}, "fetching")
	if failure.Reason() != v1beta1.URLInvalidReason || !failure.Retryable() {
		t.Errorf("got %s, %v", failure.Reason(), failure.Retryable())
	}
}

func TestParseURL(t *testing.T) {
	for _, raw := range []string{"https://host/x", "http://127.0.0.1:5000", "https://[::1]:8443/y?z=1"} {
		if _, err := ParseURL(raw, "https", "http"); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"", "host/x", "ftp://host/x", "https://", "https://:443/x", "https://u:" + secret + "@host/x",
		"https://" + secret + "@host",
		"https://host/#f", "http://169.254.169.254/", "https://u:" + secret + "@host:bad port/", "https://host/%zz" + secret,
	} {
		_, err := ParseURL(raw, "https", "http")
		var e *sources.Error
		if !errors.As(err, &e) || e.Reason() != v1beta1.URLInvalidReason || e.Retryable() {
			t.Errorf("%q: %v", raw, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the message holds a password: %v", err)
		}
	}
}

// redirecting starts a server whose paths redirect in all kinds of ways, and holds the last request that arrived.
func redirecting(t *testing.T) (*httptest.Server, *atomic.Pointer[http.Request]) {
	t.Helper()
	var seen atomic.Pointer[http.Request]
	var server, other *httptest.Server
	other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, server.URL+"/home", http.StatusFound)
			return
		}
		seen.Store(r.Clone(context.Background()))
	}))
	t.Cleanup(other.Close)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		targets := map[string]string{
			"/away":     other.URL + "/landed",
			"/around":   other.URL + "/back",
			"/metadata": "http://169.254.169.254/latest/meta-data",
			"/user":     strings.Replace(server.URL, "://", "://u:"+secret+"@", 1) + "/x",
			"/file":     "file:///etc/passwd",
		}
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/hops/%d", &n); err == nil && n > 0 {
			targets[r.URL.Path] = fmt.Sprintf("/hops/%d", n-1)
		}
		if target, ok := targets[r.URL.Path]; ok {
			http.Redirect(w, r, target, http.StatusFound)
			return
		}
		seen.Store(r.Clone(context.Background()))
	}))
	t.Cleanup(server.Close)
	return server, &seen
}

func TestRedirects(t *testing.T) {
	server, seen := redirecting(t)
	tests := []struct {
		name     string
		path     string
		says     string // of the failure, "" for success
		withAuth bool   // the last request carries the credentials
	}{
		{name: "five in a row are followed, with credentials", path: "/hops/5", withAuth: true},
		{name: "six in a row are not", path: "/hops/6", says: "more than 5 in a row"},
		{name: "credentials stay behind when another port is reached", path: "/away"},
		{name: "credentials stay behind after a visit elsewhere", path: "/around"},
		{name: "the metadata service is not reached", path: "/metadata", says: "refused"},
		{name: "a redirect with credentials in it is refused", path: "/user", says: "it holds credentials"},
		{name: "another scheme is refused", path: "/file", says: `scheme "file"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen.Store(nil)
			_, err := get(t, New(Options{}), server.URL+test.path, true)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("got %v", err)
				}
				shown := Failure(err, sources.Credentials{Username: "robot", Password: secret}, "fetching").Error()
				if seen.Load() != nil || strings.Contains(shown, secret) {
					t.Errorf("the redirect was followed, or the message holds a password: %s", shown)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := seen.Load().Header.Get("Authorization") != ""; got != test.withAuth {
				t.Errorf("credentials were sent: %v, want %v", got, test.withAuth)
			}
			if got := seen.Load().UserAgent(); got != UserAgent {
				t.Errorf("user agent %q", got)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect to http was followed")
	}))
	defer plain.Close()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
		}
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if _, err := get(t, New(Options{}), server.URL, false); err == nil || !permanent(err) {
		t.Errorf("an unknown certificate: %v", err)
	}
	if _, err := get(t, New(Options{CA: ca}), server.URL, false); err != nil {
		t.Errorf("a trusted certificate: %v", err)
	}
	if _, err := get(t, New(Options{CA: ca}), server.URL+"/down", false); err == nil ||
		!strings.Contains(err.Error(), "from https to http") {
		t.Errorf("a redirect to http: %v", err)
	}
	if CheckCA(ca) != nil || CheckCA([]byte("x")) == nil {
		t.Error("CheckCA is wrong")
	}
}

func TestRetry(t *testing.T) {
	tests := []struct {
		name   string
		method string
		status int
		header string
		want   int32
	}{
		{"a server error is tried three times", http.MethodGet, 503, "", 3},
		{"a bad gateway is tried three times", http.MethodHead, 502, "", 3},
		{"a pause that is asked for is handed on at once", http.MethodGet, 503, "7", 1},
		{"too many requests are not repeated", http.MethodGet, 429, "", 1},
		{"a missing page is not repeated", http.MethodGet, 404, "", 1},
		{"a post is not repeated", http.MethodPost, 503, "", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var count atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				count.Add(1)
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			client := New(Options{})
			client.Transport = Retry(client.Transport)
			req, _ := http.NewRequestWithContext(t.Context(), test.method, server.URL, nil)
			resp, err := client.Do(req)
			if err != nil || resp.StatusCode != test.status || count.Load() != test.want {
				t.Fatalf("%v after %d requests, want %d", err, count.Load(), test.want)
			}
			_ = resp.Body.Close()
		})
	}
}

func TestRetryRecoversFromABrokenConnection(t *testing.T) {
	var count atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	client := New(Options{})
	client.Transport = Retry(client.Transport)
	if _, err := get(t, client, server.URL, false); err != nil || count.Load() != 2 {
		t.Fatalf("%v after %d requests", err, count.Load())
	}
}

func TestASilentBodyIsCutOff(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-done
	}))
	defer server.Close()
	defer close(done)
	client := New(Options{})
	client.Transport.(*trip).silence = 20 * time.Millisecond
	if got, err := get(t, client, server.URL, false); got != "half" || !errors.Is(err, errSilent) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLimit(t *testing.T) {
	for _, test := range []struct {
		size, limit int64
		tooLarge    bool
	}{{0, 0, false}, {10, 10, false}, {11, 10, true}, {1 << 20, 10, true}} {
		got, err := io.ReadAll(Limit(strings.NewReader(strings.Repeat("x", int(test.size))), test.limit))
		if errors.Is(err, ErrTooLarge) != test.tooLarge || int64(len(got)) != min(test.size, test.limit) {
			t.Errorf("%d of %d: %d bytes, %v", test.size, test.limit, len(got), err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "99999999": time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	for code, want := range map[int]string{
		401: v1beta1.AuthenticationFailedReason, 403: v1beta1.AuthenticationFailedReason, 404: v1beta1.NotFoundReason,
		410: v1beta1.NotFoundReason, 429: v1beta1.FetchFailedReason, 500: v1beta1.FetchFailedReason,
		418: v1beta1.FetchFailedReason,
	} {
		e := Status(&http.Response{StatusCode: code, Header: http.Header{"Retry-After": {"5"}}}, "asking")
		if e.Reason() != want || !e.Retryable() || (e.RetryAfter() != 0) != (code == 429 || code == 403) {
			t.Errorf("%d: %s, %v, %s", code, e.Reason(), e.Retryable(), e.RetryAfter())
		}
	}
}

func TestMessagesHoldNoSecrets(t *testing.T) {
	c := sources.Credentials{Username: "robot", Password: secret}
	raw := fmt.Errorf("x: %w",
		&url.Error{
			Op: "Get", URL: "https://u:" + secret + "@host/path?X-Amz-Signature=" + secret + "#" + secret,
			Err: errors.New("proxy said " + secret + " and cm9ib3Q6aHVudGVyMmh1bnRlcjI=\x00\n\tend"),
		})
	shown := Redact(raw, c)
	if text := shown.Error(); strings.Contains(text, secret) || strings.Contains(text, "cm9ib3Q6") ||
		strings.ContainsAny(text, "\n\x00") ||
		!strings.Contains(text, "https://host/…") {
		t.Errorf("got %q", text)
	}
	long := Redact(errors.New(strings.Repeat("é", 10_000)), c).Error()
	if len(long) > 600 {
		t.Errorf("a message of %d bytes", len(long))
	}
	if !errors.Is(Redact(io.ErrUnexpectedEOF, c), io.ErrUnexpectedEOF) || Redact(nil, c) != nil {
		t.Error("the chain is broken")
	}
}
