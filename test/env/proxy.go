package env

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxBody bounds what is read of a request's body; the API server itself takes 3 MiB.
const maxBody = 8 << 20

// Proxy stands between clients and an API server. It counts what passes, and can stop, refuse and write down requests.
// Who reaches it acts with the credentials of the config it was started with, so it listens on the loopback address
// only.
type Proxy struct {
	// Kubeconfig is the path of a file with which clients go through the proxy.
	Kubeconfig string

	server  *http.Server
	reverse *httputil.ReverseProxy

	mu         sync.Mutex
	counts     Counts
	holds      []*Held
	refusals   map[*refusal]struct{}
	recordings map[*Recording]struct{}
	passing    map[*exchange]struct{}
}

// refusal is a rule; its address is its identity.
type refusal struct {
	match func(Request) bool
}

// exchange is a request that is under way.
type exchange struct {
	request Request
	cancel  context.CancelFunc
	held    *Held
}

type exchangeKey struct{}

// errDropped is the answer that a client never sees.
var errDropped = errors.New("dropped")

// StartProxy listens on a free port and writes a kubeconfig into dir. Requests continue to the server of the config,
// with its credentials.
func StartProxy(config *rest.Config, dir string) (*Proxy, error) {
	config = rest.CopyConfig(config)
	config.DisableCompression = true // answers pass as they are
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	p := &Proxy{
		Kubeconfig: filepath.Join(dir, "proxy.kubeconfig"),
		counts:     Counts{},
		refusals:   map[*refusal]struct{}{},
		recordings: map[*Recording]struct{}{},
		passing:    map[*exchange]struct{}{},
	}
	silent := log.New(io.Discard, "", 0)
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: answered,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
		ErrorLog:       silent,
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: silent}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if err := p.writeKubeconfig("http://" + listener.Addr().String()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

func (p *Proxy) writeKubeconfig(server string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: server}
	config.AuthInfos["proxy"] = &clientcmdapi.AuthInfo{}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "proxy"}
	config.CurrentContext = "proxy"
	if err := os.MkdirAll(filepath.Dir(p.Kubeconfig), 0o700); err != nil {
		return err
	}
	return clientcmd.WriteToFile(*config, p.Kubeconfig)
}

// Close cuts every connection and stops listening.
func (p *Proxy) Close() error { return p.server.Close() }

// Counts of the requests so far, also of those that were refused or dropped.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Since counts the requests since an earlier answer of Counts.
func (p *Proxy) Since(before Counts) Counts {
	now := p.Counts()
	for key, count := range before {
		if now[key] -= count; now[key] == 0 {
			delete(now, key)
		}
	}
	return now
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	e := &exchange{request: parseRequest(r, body, time.Now()), cancel: cancel}
	refused := p.enter(e)
	defer p.leave(e)
	if refused || e.held != nil && !e.held.after && !e.held.wait(ctx) {
		hangUp(w)
		return
	}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(ctx, exchangeKey{}, e)))
}

// enter notes a request that has arrived and looks for the rules that are about it.
func (p *Proxy) enter(e *exchange) (refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[e.request.Key()]++
	for recording := range p.recordings {
		if recording.match(e.request) {
			recording.requests = append(recording.requests, e.request)
		}
	}
	for rule := range p.refusals {
		if rule.match(e.request) {
			return true
		}
	}
	for i, held := range p.holds {
		if held.match(e.request) {
			p.holds = append(p.holds[:i:i], p.holds[i+1:]...)
			held.request, e.held = e.request, held
			break
		}
	}
	p.passing[e] = struct{}{}
	return false
}

func (p *Proxy) leave(e *exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.passing, e)
}

// answered sees an answer of the API server before the client does.
func answered(response *http.Response) error {
	ctx := response.Request.Context()
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	if e != nil && e.held != nil && e.held.after && !e.held.wait(ctx) {
		return errDropped
	}
	return nil
}

// hangUp closes the connection to the client without an answer.
func hangUp(w http.ResponseWriter) {
	if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = connection.Close()
	}
}

// Held is a request that is stopped on its way, or will be.
type Held struct {
	proxy   *Proxy
	match   func(Request) bool
	after   bool
	request Request

	reached chan struct{}
	decided chan struct{}
	once    sync.Once
	dropped bool
}

// Hold stops the first request that matches: before it continues to the API server, or after the API server has
// answered and before the client hears of it. One hold stops one request; of several that match, the first one set
// takes it. Requests are shown to match one after another, in the order in which they arrive, so that it may keep a
// state; it must not call the proxy.
func (p *Proxy) Hold(match func(Request) bool, after bool) *Held {
	held := &Held{proxy: p, match: match, after: after, reached: make(chan struct{}), decided: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = append(p.holds, held)
	return held
}

// Reached is closed when the request is stopped at its place.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Request that was stopped, once Reached is closed.
func (h *Held) Request() Request { return h.request }

// Release lets the request continue, or gives up holding one.
func (h *Held) Release() { h.decide(false) }

// Drop closes the client's connection; a request that was held before the API server saw it never gets there. It is
// what follows when the client was killed.
func (h *Held) Drop() { h.decide(true) }

func (h *Held) decide(drop bool) {
	h.once.Do(func() {
		h.proxy.mu.Lock()
		defer h.proxy.mu.Unlock()
		for i, other := range h.proxy.holds {
			if other == h {
				h.proxy.holds = append(h.proxy.holds[:i:i], h.proxy.holds[i+1:]...)
				break
			}
		}
		h.dropped = drop
		close(h.decided)
	})
}

// wait stops until it is decided whether the request continues. A client that is gone decides, too.
func (h *Held) wait(ctx context.Context) (goOn bool) {
	close(h.reached)
	select {
	case <-h.decided:
		return !h.dropped && ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Refuse hangs up on requests that match, and on those under way, watches too, until stop is called: the API server is
// away for them. Whether one that was under way has had its effect, the client cannot know.
func (p *Proxy) Refuse(match func(Request) bool) (stop func()) {
	rule := &refusal{match: match}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals[rule] = struct{}{}
	for e := range p.passing {
		if match(e.request) {
			e.cancel()
		}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.refusals, rule)
	}
}

// Recording collects requests.
type Recording struct {
	proxy    *Proxy
	match    func(Request) bool
	requests []Request
}

// Record collects requests that match, in the order in which they arrive, until the recording is stopped.
func (p *Proxy) Record(match func(Request) bool) *Recording {
	recording := &Recording{proxy: p, match: match}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recordings[recording] = struct{}{}
	return recording
}

// Requests so far.
func (r *Recording) Requests() []Request {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	return append([]Request(nil), r.requests...)
}

// Stop ends the recording; what it has stays.
func (r *Recording) Stop() {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	delete(r.proxy.recordings, r)
}
