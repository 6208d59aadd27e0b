package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

const (
	// tokenTimeout bounds a request for a token. Requests to the remote cluster wait for it.
	tokenTimeout = 15 * time.Second
	// tokenPause is the least time between two requests for a token, after one failed or was refused.
	tokenPause = 10 * time.Second
)

// Token is a bearer token.
type Token struct {
	Value   string
	Expires time.Time
}

// RequestToken requests a new token of a ServiceAccount. The error is a *TokenError.
type RequestToken func(ctx context.Context) (Token, error)

// TokenError says why there is no token for a remote cluster. It does not unwrap to the answer of the own API server: a
// caller would take that for an answer of the remote cluster.
type TokenError struct {
	// Account is NAMESPACE/NAME of the ServiceAccount.
	Account string
	// Problem continues "requesting a token of ServiceAccount NAMESPACE/NAME:".
	Problem string
	// Denied is set when the API server refused the request, and unset when it did not answer.
	Denied bool
}

// Error implements error.
func (e *TokenError) Error() string {
	return fmt.Sprintf("requesting a token of ServiceAccount %s: %s", e.Account, e.Problem)
}

// Reason is the reason for conditions.
func (e *TokenError) Reason() string {
	if e.Denied {
		return v1beta1.AccessDeniedReason
	}
	return v1beta1.ClusterUnreachableReason
}

// tokens keeps one token, and requests the next when four fifths of its life are over, or when the cluster refused it.
type tokens struct {
	request RequestToken
	now     func() time.Time

	// turn is held by who requests a token.
	turn sync.Mutex
	mu   sync.Mutex
	held *heldToken
	// failed is why the last request failed, which is the answer until again.
	failed error
	again  time.Time
}

// heldToken is a token that is in use.
type heldToken struct {
	Token
	mask redact.Mask
	// renew is when the next token is requested.
	renew time.Time
	// refused is set once the cluster has refused it.
	refused bool
}

func newTokens(request RequestToken, now func() time.Time) *tokens {
	return &tokens{request: request, now: now}
}

// get returns a token that has not expired. A token that cannot be renewed is used until it expires.
func (t *tokens) get(ctx context.Context) (*heldToken, error) {
	if held, err := t.known(); held != nil || err != nil {
		return held, err
	}

	t.turn.Lock()
	defer t.turn.Unlock()
	if held, err := t.known(); held != nil || err != nil { // another request has renewed it meanwhile
		return held, err
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout) // others wait for the token, too
	defer cancel()
	made, err := t.request(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	switch {
	case err == nil:
		life := made.Expires.Sub(now)
		t.held = &heldToken{Token: made, mask: redact.NewMask(made.Value), renew: now.Add(life - life/5)}
		t.failed = nil
		return t.held, nil
	case t.held != nil && now.Before(t.held.Expires):
		t.held.renew = now.Add(tokenPause)
		return t.held, nil
	default:
		t.failed, t.again = err, now.Add(tokenPause)
		return nil, err
	}
}

// known returns the token that is held while it need not be renewed, or why there is none.
func (t *tokens) known() (*heldToken, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	switch {
	case t.held != nil && now.Before(t.held.renew):
		return t.held, nil
	case t.failed != nil && now.Before(t.again):
		return nil, t.failed
	default:
		return nil, nil
	}
}

// refuse has the next token requested, because the cluster refused this one. A cluster that refuses every token gets a
// new one after a pause.
func (t *tokens) refuse(held *heldToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == held && !held.refused { // later refusals must not put the renewal off
		t.held = &heldToken{Token: held.Token, mask: held.mask, renew: t.now().Add(tokenPause), refused: true}
	}
}

// bearer sends requests with the token of a ServiceAccount. It hides the token in what comes back, as discreet does.
type bearer struct {
	next   http.RoundTripper
	tokens *tokens
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (b *bearer) WrappedRoundTripper() http.RoundTripper { return b.next }

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	held, err := b.tokens.get(request.Context())
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // the caller gets the error of the token
		}
		return nil, err
	}

	request = utilnet.CloneRequest(request)
	request.Header.Set("Authorization", "Bearer "+held.Value)
	response, err := (&discreet{next: b.next, mask: held.mask}).RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		b.tokens.refuse(held)
	}

	return response, err
}
