package receiver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/sources/oidc"
)

const (
	// maxBody bounds what a caller may send, in bytes.
	maxBody = 1 << 20
	// perSecond and atOnce bound the calls to one receiver.
	perSecond = 5
	atOnce    = 20

	readTimeout = 10 * time.Second
	endTimeout  = 5 * time.Second
	// maxCalled is how many receivers' rates are remembered.
	maxCalled = 1024
)

var hookPath = regexp.MustCompile(`^/hook/[0-9a-f]{64}$`)

// errBusy says that a receiver is called too often.
var errBusy = errors.New("it is called too often")

// receivers are what the server asks.
type receivers interface {
	// find returns the receiver with a path; nil when there is none that can be called.
	find(ctx context.Context, path string) (*v1beta1.Receiver, error)
	// credentials returns those of its Secret, as the path was made from their token.
	credentials(ctx context.Context, r *v1beta1.Receiver) (credentials, error)
	// identify verifies the token that a caller of a receiver of the type generic-oidc or gcr brings. It returns the
	// claims that filters know, which are nil for gcr. The error is a proofError or an *oidc.TokenError when there is
	// no token that counts, a *deniedError when it is not enough, and any other when the issuer could not be asked.
	identify(ctx context.Context, r *v1beta1.Receiver, known credentials, header http.Header) (map[string]any, error)
	// trigger has the objects of a receiver looked at and returns how many.
	trigger(ctx context.Context, r *v1beta1.Receiver, n news) (int, error)
}

// server serves the addresses of receivers. Every replica can: a call only writes an annotation.
type server struct {
	address   string
	receivers receivers

	mu    sync.Mutex
	rates *lru.Cache
}

func newServer(address string, r receivers) *server {
	return &server{address: address, receivers: r, rates: lru.New(maxCalled)}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*server) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (s *server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return err
	}

	web := &http.Server{
		Handler: s, ReadTimeout: readTimeout, ReadHeaderTimeout: readTimeout, WriteTimeout: readTimeout,
		IdleTimeout: readTimeout, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context {
			return context.WithoutCancel(ctx)
		}, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	ended := make(chan error, 1)
	guard.GoOr("serving webhooks", func() { ended <- web.Serve(listener) }, func(err error) { ended <- err })
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}

	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return web.Shutdown(closing)
}

// ServeHTTP answers a call. A caller without a proof learns nothing, not even whether there is a receiver. One with a
// good token of an issuer that the receiver trusts learns which validations it does not pass.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := ""
	status := http.StatusInternalServerError
	err := guard.Do("answering a webhook call", func() (err error) {
		kind, status, err = s.answer(r)
		return err
	})
	observe(kind, status)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	if err != nil {
		log.FromContext(r.Context()).WithName("receiver").Info("a call was refused", "status", status, "because", err.Error(),
			"from", r.RemoteAddr)
	}

	var denied *deniedError
	if !errors.As(err, &denied) {
		w.WriteHeader(status)
		return
	}

	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, denied.Error()+"\n") // the caller went
}

func (s *server) answer(r *http.Request) (kind string, status int, err error) {
	if r.Method != http.MethodPost || !hookPath.MatchString(r.URL.Path) {
		return "", http.StatusNotFound, nil
	}

	found, err := s.receivers.find(r.Context(), r.URL.Path)
	if err != nil {
		return "", http.StatusServiceUnavailable, err
	}
	if found == nil {
		return "", http.StatusNotFound, nil
	}

	kind = found.Spec.Type
	if !s.rate(found).Allow() {
		return kind, http.StatusTooManyRequests, errBusy
	}

	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return kind, http.StatusRequestEntityTooLarge, err
		}

		return kind, http.StatusBadRequest, err
	}

	known, err := s.receivers.credentials(r.Context(), found)
	if err != nil {
		return kind, http.StatusNotFound, err
	}

	c := call{header: r.Header, body: body}
	claims, status, err := s.proven(r.Context(), found, known, c)
	if err != nil {
		return kind, status, err
	}

	told, err := about(found, c)
	if err != nil {
		return kind, http.StatusBadRequest, err
	}
	if !told.matters {
		return kind, http.StatusOK, nil
	}

	told.claims = claims
	count, err := s.receivers.trigger(r.Context(), found, told)
	if unfit := filterError(""); errors.As(err, &unfit) {
		return kind, http.StatusBadRequest, err
	}
	if err != nil {
		return kind, http.StatusServiceUnavailable, err
	}

	log.FromContext(r.Context()).WithName("receiver").Info("called", "receiver", found.Namespace+"/"+found.Name, "objects",
		count)
	return kind, http.StatusOK, nil
}

// proven checks that a caller may call a receiver. It returns the claims of a token, and the status of the answer to a
// caller who may not.
func (s *server) proven(
	ctx context.Context, r *v1beta1.Receiver, known credentials, c call,
) (claims map[string]any, status int, err error) {
	if r.Spec.Type != v1beta1.ReceiverOIDC && r.Spec.Type != v1beta1.ReceiverGCR {
		return nil, http.StatusNotFound, prove(r.Spec.Type, known.token, c)
	}

	claims, err = s.receivers.identify(ctx, r, known, c.header)
	var refused *oidc.TokenError
	var denied *deniedError
	unproven := proofError("")
	switch {
	case errors.As(err, &denied):
		return nil, http.StatusForbidden, err
	case errors.As(err, &refused), errors.As(err, &unproven):
		return nil, http.StatusNotFound, err
	default:
		return claims, http.StatusServiceUnavailable, err
	}
}

// rate bounds the calls to one receiver.
func (s *server) rate(r *v1beta1.Receiver) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.rates.Get(r.UID); ok {
		return known.(*rate.Limiter)
	}
	made := rate.NewLimiter(perSecond, atOnce)
	s.rates.Add(r.UID, made)
	return made
}
