package transport

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

// answering starts a server that asks to be left alone while silenced is set, and counts its requests.
func answering(t *testing.T, silenced bool) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if silenced {
			w.Header().Set("Retry-After", strconv.Itoa(int(maxTruce/time.Second)*6))
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func visit(t *testing.T, client *http.Client, url string) error {
	t.Helper()
	_, err := get(t, client, url, false)
	return err
}

func TestAHostIsLeftAlone(t *testing.T) {
	t.Parallel()
	network := NewNetwork(egress.Rules{})
	busy, asked := answering(t, true)
	other, _ := answering(t, false)
	if err := visit(t, network.Client(Options{Tenant: "a"}), busy); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"a", "b", "c"} {
		err := visit(t, network.Client(Options{Tenant: tenant}), busy)
		var failed *sources.Error
		if !errors.As(err, &failed) || failed.RetryAfter() <= 0 || failed.RetryAfter() > maxTruce ||
			!strings.Contains(err.Error(), "asked to be left alone") {
			t.Errorf("%s: got %v", tenant, err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the host was asked %d times", asked.Load())
	}
	if err := visit(t, network.Client(Options{Tenant: "a"}), other); err != nil {
		t.Error(err)
	}
}

// A tenant chooses its proxy, its CA and its credential. What it hears with them must not silence the host for others.
func TestATruceCountsOnlyForTheWayItWasHeardOn(t *testing.T) {
	t.Parallel()
	proxy, _ := answering(t, true)
	through, err := ParseProxy(proxy, sources.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	ca := newAuthority(t).PEM
	tests := []struct {
		name     string
		silenced bool // by the host itself, for every client
		attacker func(*Network) *http.Client
	}{
		{"a proxy of its own", false, func(n *Network) *http.Client {
			return n.Client(Options{Tenant: "mallory", ProxyURL: through})
		}},
		{"a CA of its own", true, func(n *Network) *http.Client { return n.Client(Options{Tenant: "mallory", CA: ca}) }},
		{"a credential of its own", true, func(n *Network) *http.Client {
			return As(n.Client(Options{Tenant: "mallory"}), sources.Credentials{Username: "mallory", Password: secret})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			network := NewNetwork(egress.Rules{})
			host, asked := answering(t, tt.silenced)
			attacker := tt.attacker(network)
			if err := visit(t, attacker, host); err != nil {
				t.Fatal(err)
			}
			if err := visit(t, attacker, host); err == nil {
				t.Error("the truce does not count for who heard it")
			}
			before := asked.Load()
			if err := visit(t, network.Client(Options{Tenant: "victim"}), host); err != nil || asked.Load() != before+1 {
				t.Errorf("the victim is kept from the host: %v", err)
			}
		})
	}
}

func TestHeadersTellCredentialsApart(t *testing.T) {
	t.Parallel()
	network := NewNetwork(egress.Rules{})
	host, _ := answering(t, true)
	client := network.Client(Options{})
	if _, err := get(t, client, host, true); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, client, host, true); err == nil {
		t.Error("the truce does not count for the same credential")
	}
	if _, err := get(t, client, host, false); err != nil {
		t.Errorf("the truce of a credential counts for who does not sign in: %v", err)
	}
}

func TestKeysOfHosts(t *testing.T) {
	t.Parallel()
	parsed := func(raw string) *url.URL {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	key := func(raw string) hostKey { return keyOfHost(parsed(raw), settingOf(Options{}), "") }
	for _, same := range []string{"https://HOST/other", "https://host:443"} {
		if key("https://host/x") != key(same) {
			t.Errorf("%s is another host", same)
		}
	}
	for _, other := range []string{"http://host", "https://host:8443", "https://other"} {
		if key("https://host") == key(other) {
			t.Errorf("%s is the same host", other)
		}
	}
}

// Who asks a thousand hosts pushes out its own, and the truces of others stay.
func TestManyHostsPushOutOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	known, now := newHosts(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := func(n int) hostKey { return hostKey{byte(n), byte(n >> 8), byte(n >> 16)} }
	busy := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"600"}}}
	victims, shared := hostKey{31: 1}, hostKey{31: 2}
	known.of(victims, "victim", now).heed(busy, now)
	known.of(shared, "mallory", now).heed(busy, now)
	known.of(shared, "victim", now)
	for n := range 3 * maxHosts {
		known.of(key(n), "mallory", now).heed(busy, now)
	}
	if n := known.recent["mallory"].Len(); n > maxHostsEach {
		t.Errorf("%d hosts of one tenant are remembered", n)
	}
	for tenant := range 2 * maxHosts / maxHostsEach {
		for n := range maxHostsEach {
			known.of(key(1<<20+tenant<<10+n), "mallory-"+strconv.Itoa(tenant), now).heed(busy, now)
		}
	}
	if n := len(known.known); n > maxHosts {
		t.Errorf("%d hosts are remembered", n)
	}
	if known.of(victims, "victim", now).pause(now) <= 0 || known.of(shared, "victim", now).pause(now) <= 0 {
		t.Error("the truce of another tenant is forgotten")
	}
}

func TestHostsWithATruceAreForgottenLast(t *testing.T) {
	t.Parallel()
	known, now := newHosts(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := hostKey{31: 1}
	known.of(first, "a",
		now).heed(&http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}}}, now)
	for n := range 2 * maxHostsEach {
		known.of(hostKey{byte(n), byte(n >> 8)}, "a", now)
	}
	if known.of(first, "a", now).pause(now) <= 0 {
		t.Error("the truce is forgotten")
	}
}

func TestATruceEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := newHosts().of(hostKey{}, "", now)
	h.heed(&http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"30"}}}, now)
	if err := h.admit(t.Context(), now.Add(29*time.Second)); err == nil {
		t.Error("it ends too early")
	}
	if err := h.admit(t.Context(), now.Add(30*time.Second)); err != nil {
		t.Error(err)
	}
	later := now.Add(time.Minute)
	h.heed(&http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Retry-After": {"30"}}}, later)
	h.heed(&http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}}, later)
	if err := h.admit(t.Context(), later); err != nil {
		t.Errorf("an answer without a pause counts: %v", err)
	}
}
