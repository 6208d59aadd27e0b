package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/utils/lru"

	"fairlead.dev/fairlead/sources/transport"
)

const (
	// maxIssuers is how many issuers are remembered, each for the namespace that names it.
	maxIssuers = 64
	// maxDocument and maxKeySet bound what an issuer answers, in bytes, and maxKeys how many keys it may have.
	maxDocument = 64 << 10
	maxKeySet   = 256 << 10
	maxKeys     = 100
	// fetchTimeout bounds both requests together.
	fetchTimeout = 5 * time.Second
	// fresh is how long keys count, and again after which an issuer is asked about a key that it did not have, or after
	// a failure.
	fresh = time.Hour
	again = time.Minute
)

// issuers remember the keys of issuers.
type issuers struct {
	client func(namespace string) *http.Client
	now    func() time.Time

	mu    sync.Mutex
	known *lru.Cache // of *issuer, by place
}

// place is an issuer that a namespace names: what is read for one namespace is not for another.
type place struct{ namespace, url string }

// issuer is what is known of one. turn holds it while its keys are read.
type issuer struct {
	turn chan struct{}
	keys []jose.JSONWebKey
	// read is when the keys were read, tried when that was tried, and failed why that failed; nil when it did not.
	read, tried time.Time
	failed      error
}

func newIssuers(client func(namespace string) *http.Client, now func() time.Time) *issuers {
	return &issuers{client: client, now: now, known: lru.New(maxIssuers)}
}

func (s *issuers) of(at place) *issuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known.Get(at); ok {
		return known.(*issuer)
	}
	made := &issuer{turn: make(chan struct{}, 1)}
	s.known.Add(at, made)
	return made
}

// keys returns the keys of an issuer with an ID, or all when it is empty. Calls for one issuer take turns, so that its
// keys are read once.
func (s *issuers) keys(ctx context.Context, namespace, url, id string) ([]jose.JSONWebKey, error) {
	of := s.of(place{namespace, url})
	select {
	case of.turn <- struct{}{}:
		defer func() { <-of.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	now := s.now()
	old := of.read.IsZero() || now.Sub(of.read) >= fresh
	found := of.with(id)
	if !old && len(found) > 0 {
		return found, nil
	}

	if of.tried.IsZero() || now.Sub(of.tried) >= again {
		// A caller that goes does not end it: otherwise each caller could make it begin again.
		keys, err := s.fetch(context.WithoutCancel(ctx), namespace, url)
		of.tried = now
		of.failed = err
		if err == nil {
			of.keys = keys
			of.read = now
			return of.with(id), nil
		}
	}

	if of.failed != nil && (old || len(found) == 0) {
		return nil, of.failed
	}

	return found, nil
}

func (i *issuer) with(id string) []jose.JSONWebKey {
	if id == "" {
		return i.keys
	}

	var found []jose.JSONWebKey
	for _, key := range i.keys {
		if key.KeyID == id {
			found = append(found, key)
		}
	}

	return found
}

// fetch asks an issuer for its keys.
func (s *issuers) fetch(ctx context.Context, namespace, url string) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	client := s.client(namespace)
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := get(ctx, client, wellKnown(url), maxDocument, &document); err != nil {
		return nil, err
	}

	switch {
	case document.Issuer != url:
		return nil, errors.New("its configuration is that of another issuer")
	case strings.HasPrefix(url, "https://") && !strings.HasPrefix(document.JWKSURI, "https://"):
		return nil, errors.New("its configuration names no https address of its keys")
	}

	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, client, document.JWKSURI, maxKeySet, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has %d keys, more than %d", len(set.Keys), maxKeys)
	}

	return usable(set.Keys), nil
}

// usable returns the public keys for signatures. Others, and those of unknown kinds, are left out.
func usable(encoded []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, text := range encoded {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) != nil || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		keys = append(keys, jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use})
	}
	return keys
}

// get reads a JSON document. The error quotes nothing of it.
func get(ctx context.Context, client *http.Client, address string, limit int64, into any) error {
	u, err := transport.ParseURL(address, "http", "https")
	if err != nil {
		return err
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return errors.New("its address cannot be used")
	}

	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}

	defer func() { _ = response.Body.Close() }() // what was read counts
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", u.Host, response.StatusCode)
	}

	content, err := io.ReadAll(transport.Limit(response.Body, limit))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", u.Host, err)
	}
	if json.Unmarshal(content, into) != nil {
		return fmt.Errorf("the answer of %s is not the JSON of an issuer", u.Host)
	}

	return nil
}
