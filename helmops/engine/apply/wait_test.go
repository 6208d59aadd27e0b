package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest/fake"
)

func TestNotReadyErrorSaysWhatIsMissing(t *testing.T) {
	tests := []struct {
		name string
		err  NotReadyError
		want string
	}{
		{name: "an object that failed", err: NotReadyError{Objects: []string{"Job apps/a: too often"}, Of: 4}, want: "failed: Job apps/a: too often"},
		{name: "no more time", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"Pod apps/a: x", "Pod apps/b: y"}, Of: 4},
			want: "2 of 4 objects not ready after 1m0s: Pod apps/a: x; Pod apps/b: y"},
		{name: "as many as are named", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c"}, Of: 3},
			want: "3 of 3 objects not ready after 1m0s: a; b; c"},
		{name: "more than are named", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c", "d", "e"}, Of: 9},
			want: "5 of 9 objects not ready after 1m0s: a; b; c; and 2 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// answers are bodies that a fake API server gives one after the other, the last one for ever. A number is a status.
func infoOf(kind string, answers ...any) *resource.Info {
	version := schema.GroupVersion{Group: "batch", Version: "v1"}
	client := &fake.RESTClient{
		GroupVersion: version, NegotiatedSerializer: resource.UnstructuredPlusDefaultContentConfig().NegotiatedSerializer,
		Client: fake.CreateHTTPClient(func(*http.Request) (*http.Response, error) {
			answer := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			code, body := http.StatusOK, answer
			if status, ok := answer.(int); ok {
				code = status
				body = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: int32(status),
					Reason: map[int]metav1.StatusReason{404: metav1.StatusReasonNotFound, 403: metav1.StatusReasonForbidden}[status]}
			}
			content, err := json.Marshal(body)
			return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(content))}, err
		}),
	}
	mapping := &meta.RESTMapping{Resource: version.WithResource("jobs"), GroupVersionKind: version.WithKind(kind), Scope: meta.RESTScopeNamespace}
	return &resource.Info{Client: client, Mapping: mapping, Namespace: "apps", Name: "a"}
}

// job returns a Job with a condition that holds, or without one.
func job(condition string) map[string]any {
	object := map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": "a", "namespace": "apps"}}
	if condition != "" {
		object["status"] = map[string]any{"conditions": []any{map[string]any{"type": condition, "status": "True", "reason": "R", "message": "M"}}}
	}
	return object
}

func TestUntilReady(t *testing.T) {
	tests := []struct {
		name string
		info func() *resource.Info
		jobs bool
		// want is a part of the error, empty for success; took is how long it waited.
		want string
		took time.Duration
	}{
		{name: "what is ready is not waited for", jobs: true, info: func() *resource.Info { return infoOf("Job", job("Complete")) }},
		{name: "what becomes ready is looked at again", jobs: true, took: firstLook,
			info: func() *resource.Info { return infoOf("Job", job(""), job("Complete")) }},
		{name: "what has failed ends the wait", jobs: true, info: func() *resource.Info { return infoOf("Job", job("Failed")) }, want: "failed: Job apps/a: R: M"},
		{name: "what never becomes ready ends with the time", jobs: true, info: func() *resource.Info { return infoOf("Job", job("")) },
			want: "1 of 1 objects not ready after 1m0s: Job apps/a: Job has not completed", took: time.Minute},
		{name: "a Job that is gone has completed", jobs: true, info: func() *resource.Info { return infoOf("Job", 404) }},
		{name: "anything else that is gone is waited for", info: func() *resource.Info { return infoOf("Thing", 404) },
			want: "Thing apps/a: does not exist", took: time.Minute},
		{name: "a passing fault is no verdict", jobs: true, took: firstLook, info: func() *resource.Info { return infoOf("Job", 500, job("Complete")) }},
		{name: "what may not be read ends the wait", info: func() *resource.Info { return infoOf("Job", 403) }, want: "reading Job apps/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				started := time.Now()
				err := untilReady(ctx, nil, kube.ResourceList{tt.info()}, time.Minute, tt.jobs)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error = %v, want %q", err, tt.want)
				}
				if took := time.Since(started); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

func TestAWaitThatNobodyWantsEnds(t *testing.T) {
	t.Parallel()
	superseded := make(chan struct{})
	close(superseded)
	err := untilReady(t.Context(), superseded, kube.ResourceList{infoOf("Job", job(""))}, time.Minute, true)
	if !errors.Is(err, ErrSuperseded) {
		t.Errorf("error = %v", err)
	}
}

func TestToUnstructured(t *testing.T) {
	t.Parallel()
	if _, err := toUnstructured(nil); err == nil {
		t.Error("nothing was taken for an object")
	}
	object := &unstructured.Unstructured{Object: job("")}
	if got, err := toUnstructured(object); got != object || err != nil {
		t.Errorf("got %v, error %v", got, err)
	}
	got, err := toUnstructured(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "a"}})
	if err != nil || got.GetName() != "a" {
		t.Errorf("got %v, error %v", got, err)
	}
}
