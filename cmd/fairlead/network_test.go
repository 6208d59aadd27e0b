package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// Clients that a library makes by itself do not connect; those of a kubeconfig do, also where its server needs no certificate.
func TestDefaultClientsConnectToNothing(t *testing.T) {
	transport, client := http.DefaultTransport, http.DefaultClient
	t.Cleanup(func() { http.DefaultTransport, http.DefaultClient = transport, client })
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()

	refuseDefaultTransport()
	for name, client := range map[string]*http.Client{"default": http.DefaultClient, "empty": {}} {
		response, err := client.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, errDefaultTransport) {
			t.Errorf("the %s client: error = %v", name, err)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("the server was reached %d times", n)
	}

	config := &rest.Config{Host: server.URL}
	config.Proxy = environmentProxy(config)
	own, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := own.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if n := reached.Load(); n != 1 {
		t.Errorf("the API server was reached %d times", n)
	}
}
