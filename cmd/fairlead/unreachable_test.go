package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// connecting are command lines of every kind that make requests, those whose requests are made by libraries included.
var connecting = []string{
	"get releases", "get sources -A", "get freezes", "get releases --watch", "board", "events", "logs",
	"status release shop", "explain kustomization apps", "explain pipeline shop", "tree release shop",
	"trace deployment shop", "trace release shop",
	"history release shop", "values release shop", "render release shop",
	"diff release shop", "diff release shop --pending", "diff release shop --revision 1..2",
	"reconcile release shop", "reconcile release shop --wait", "wait release shop", "suspend releases --all",
	"rollback release shop --reason slow", "promote shop prod", "freeze sale --reason sale",
	"create source git fleet --url https://git.example.com/fleet",
	"check", "check --pre", "install --image registry.example.com/fairlead:v1", "uninstall --yes",
}

// capturedStderr returns what f makes libraries write to the standard error of the process.
func capturedStderr(t *testing.T, f func()) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}

	before := os.Stderr
	os.Stderr = write
	f()
	os.Stderr = before
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}

	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// allCommands runs every command of connecting against a server and checks that its only message is about the server.
func allCommands(t *testing.T, server, want string) {
	t.Helper()
	config := kubeconfig(t, server)
	for _, line := range connecting {
		var r result
		logged := capturedStderr(t, func() {
			r = connected(t, append(strings.Fields(line), "--kubeconfig", config)...)
		})
		switch {
		case r.code != exitError || !strings.HasSuffix(r.stderr, want+"\n"):
			t.Errorf("%s: exit %d, %q; want the end %q", line, r.code, r.stderr, want)
		case strings.Contains(r.stderr, "dial tcp") || strings.Contains(r.stderr, "Get \""):
			t.Errorf("%s: the message quotes a request: %q", line, r.stderr)
		case logged != "":
			t.Errorf("%s: a library logged %q", line, logged)
		}
	}
}

func TestEveryCommandNamesAServerItCannotReach(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	allCommands(t, closed.URL, "cannot reach the API server "+closed.URL+" (context prod): connection refused")
}

func TestEveryCommandSaysThatCredentialsAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w,
			`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401,"message":"Unauthorized"}`)
	}))
	defer server.Close()
	allCommands(t, server.URL, "the API server does not accept your credentials (context prod); log in again")
}
