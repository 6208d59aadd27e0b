package oci

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

var team = sources.Credentials{Username: "team", Password: "hunter2"}

// A registry that wants tokens gets a chart, and within it blobs are mounted with a token for both repositories.
func TestCopyWithTokens(t *testing.T) {
	t.Parallel()
	tokens, err := servers.Tokens(servers.Options{Username: team.Username, Password: team.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Close() })
	to := serve(t, servers.Options{Username: team.Username, Password: team.Password, Tokens: tokens})
	r := newRoute(t, serve(t, servers.Options{}), to)
	r.target = open(t, to, func(o *Options) { o.Repository, o.Credentials = to.Host()+"/prod/app", team })
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	r.source = r.target
	r.target = open(t, to, func(o *Options) { o.Repository, o.Credentials = to.Host()+"/dr/app", team })
	to.Forget()
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	for _, line := range puts(to) {
		if strings.Contains(line, "/blobs/") && !strings.HasPrefix(line, http.MethodPost) {
			t.Errorf("a blob was sent: %s", line)
		}
	}
	if _, err := r.target.Chart(t.Context(), r.digest); err != nil {
		t.Error(err)
	}
}

// A registry that sends uploads, or readers, to another host does not get the credentials there.
func TestCopyDoesNotLeakCredentials(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var leaked []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if auth := r.Header.Get("Authorization"); auth != "" {
			leaked = append(leaked, r.Method+" "+r.URL.Path)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer thief.Close()
	for name, intercept := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"uploads": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.Header.Get("Authorization") == "" {
				return false
			}
			w.Header().Set("Location", thief.URL+"/upload")
			w.WriteHeader(http.StatusAccepted)
			return true
		},
		"redirects of uploads": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut || r.Header.Get("Authorization") == "" {
				return false
			}
			http.Redirect(w, r, thief.URL+"/put", http.StatusTemporaryRedirect)
			return true
		},
		"reads": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") == "" {
				return false
			}
			http.Redirect(w, r, thief.URL+"/read", http.StatusTemporaryRedirect)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := serve(t, servers.Options{Username: team.Username, Password: team.Password, Intercept: intercept})
			r := newRoute(t, serve(t, servers.Options{}), to)
			r.target = open(t, to, func(o *Options) { o.Repository, o.Credentials = to.Host()+"/prod/app", team })
			_, err := r.copy()
			if err == nil {
				t.Error("the copy went elsewhere")
			} else if strings.Contains(err.Error(), team.Password) {
				t.Errorf("the message shows the password: %v", err)
			}
		})
	}
	if len(leaked) > 0 {
		t.Errorf("another host got credentials: %v", leaked)
	}
}
