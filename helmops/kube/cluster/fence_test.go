package cluster

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/fairlead/leases"

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// lease encodes one as client-go does.
func lease(t *testing.T, mediaType, name, holder string) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Fatal("no serializer for ", mediaType)
	}
	object := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}
	object.Name = name
	content, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, coordinationv1.SchemeGroupVersion),
		object)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFence(t *testing.T) {
	t.Parallel()
	const (
		json     = "application/json"
		protobuf = "application/vnd.kubernetes.protobuf"
	)
	type request struct {
		method, path string
		body         []byte
		answer       int // 200 when left out
		takes, after time.Duration
		refused      bool
	}
	renew := request{method: http.MethodPut, path: leasePath + "/leader", body: lease(t, protobuf, "leader", "me")}
	with := func(r request, f func(*request)) request { f(&r); return r }
	write := request{method: http.MethodPatch, path: "/api/v1/namespaces/apps/configmaps/x"}
	refused := with(write, func(r *request) { r.refused = true })
	for name, requests := range map[string][]request{
		"nothing is written before the lease is held": {
			refused, {method: http.MethodPost, path: "/api/v1/namespaces/apps/events", refused: true},
			{method: http.MethodGet, path: "/api/v1/pods"},
			{method: http.MethodPost, path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"},
		},
		"a renewal opens until the deadline": {
			renew, with(write, func(r *request) { r.after = 30*time.Second - 1 }),
			with(refused, func(r *request) { r.after = 1 }), renew, write,
		},
		"JSON too": {with(renew, func(r *request) { r.body = lease(t, json, "leader", "me") }), write},
		"acquiring for the first time": {
			{method: http.MethodPost, path: leasePath, body: lease(t, protobuf, "leader", "me")}, write,
		},
		"the time counts from the start of the request": {
			with(renew, func(r *request) { r.takes = 29 * time.Second }), write,
			with(refused, func(r *request) { r.after = time.Second }),
		},
		"a renewal that fails is none": {with(renew, func(r *request) { r.answer = http.StatusConflict }), refused},
		"another lease is none": {
			{method: http.MethodPut, path: leasePath + "/other", body: renew.body, refused: true}, refused},
		"another lease that is made is none": {
			{method: http.MethodPost, path: leasePath, body: lease(t, json, "other", "me"), refused: true}, refused},
		"nothing is written once it is given up": {
			renew, with(renew, func(r *request) { r.body = lease(t, protobuf, "leader", "") }), refused, renew, write,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			fence := NewFence("fairlead", "leader", 30*time.Second, now.read)
			refused := int64(0)
			for i, want := range requests {
				if want.refused {
					refused++
				}
				now.pass(want.after)
				sent := false
				transport := fence.Elector(transportFunc(func(*http.Request) (*http.Response, error) {
					sent = true
					now.pass(want.takes)
					return &http.Response{StatusCode: max(want.answer, http.StatusOK), Body: http.NoBody}, nil
				}))
				r, err := http.NewRequestWithContext(t.Context(), want.method, "https://api"+want.path, bytes.NewReader(want.body))
				if err != nil {
					t.Fatal(err)
				}
				response, err := transport.RoundTrip(r)
				if err == nil {
					_ = response.Body.Close()
				}
				if fence.Refused() != refused {
					t.Errorf("request %d: %d writes are counted that were not sent, want %d", i, fence.Refused(), refused)
				}
				if sent == want.refused || errors.Is(err, ErrFenced) != want.refused {
					t.Errorf("request %d, %s %s: sent is %v, the error %v; want refused %v", i, want.method, want.path, sent, err,
						want.refused)
				}
			}
		})
	}
}

func TestALeaseOfAnotherClusterMeansNothing(t *testing.T) {
	t.Parallel()
	fence := NewFence("fairlead", "leader", time.Minute, newClock().read)
	transport := fence.Guard(transportFunc(func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return nil, errors.New("sent")
	}))
	body := bytes.NewReader(lease(t, "application/json", "leader", "me"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://api"+leasePath+"/leader", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err == nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, ErrFenced) {
		t.Errorf("the error is %v", err)
	}
}
