package tracker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

func jobsOf(t *testing.T, s *apiServer) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(widgets.gvr()).Namespace("apps")
}

// follow runs Follow with a script: step i decides on what is seen at the i-th look and acts on the server.
func follow(t *testing.T, s *apiServer, steps ...func(*unstructured.Unstructured) (bool, error)) error {
	t.Helper()
	seen := 0
	err := Follow(t.Context(), jobsOf(t, s), "hook", func(object *unstructured.Unstructured) (bool, error) {
		if seen++; seen > len(steps) {
			return false, errors.New("seen too often")
		}
		return steps[seen-1](object)
	})
	if err == nil && seen != len(steps) {
		t.Errorf("seen %d times, want %d", seen, len(steps))
	}
	return err
}

func TestFollow(t *testing.T) {
	t.Parallel()
	hook := func() *unstructured.Unstructured {
		object := managed(t, widgets, "hook")
		object.SetLabels(nil) // hooks carry no label
		return object
	}
	expect := func(there bool, then func(s *apiServer)) func(*apiServer) func(*unstructured.Unstructured) (bool, error) {
		return func(s *apiServer) func(*unstructured.Unstructured) (bool, error) {
			return func(object *unstructured.Unstructured) (bool, error) {
				if (object != nil) != there {
					return false, errors.New("not what is expected")
				}
				if then == nil {
					return true, nil
				}
				then(s)
				return false, nil
			}
		}
	}
	create := func(s *apiServer) { s.put(widgets, hook()) }
	remove := func(s *apiServer) { s.drop(widgets, "apps", "hook", false) }
	tests := []struct {
		name  string
		start func(s *apiServer)
		steps []func(*apiServer) func(*unstructured.Unstructured) (bool, error)
		lists int
	}{
		{name: "there at once", start: create, lists: 1,
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){expect(true, nil)}},
		{name: "it comes, changes and goes", lists: 1,
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){
				expect(false, create), expect(true, create), expect(true, remove), expect(false, nil)}},
		{name: "others do not matter", lists: 1,
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){
				expect(false, func(s *apiServer) { s.put(widgets, managed(t, widgets, "other")); create(s) }), expect(true, nil)}},
		{name: "the stream is cut", start: create, lists: 1,
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){
				expect(true, create), expect(true, func(s *apiServer) { s.cut(false); remove(s) }), expect(false, nil)}},
		{name: "the stream has expired", start: create, lists: 2,
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){
				expect(true, create), expect(true, func(s *apiServer) { s.drop(widgets, "apps", "hook", true); s.cut(true) }),
				expect(false, nil)}},
		{name: "a kind that is not served has no objects", lists: 1,
			start: func(s *apiServer) { s.answer["widgets"] = http.StatusNotFound },
			steps: []func(*apiServer) func(*unstructured.Unstructured) (bool, error){expect(false, nil)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			if tt.start != nil {
				tt.start(server)
			}
			steps := make([]func(*unstructured.Unstructured) (bool, error), 0, len(tt.steps))
			for _, step := range tt.steps {
				steps = append(steps, step(server))
			}
			if err := follow(t, server, steps...); err != nil {
				t.Fatal(err)
			}
			if lists := server.count("") - server.count("watch=true"); lists != tt.lists {
				t.Errorf("%d lists, want %d", lists, tt.lists)
			}
			if server.count("fieldSelector=metadata.name%3Dhook") != server.count("") {
				t.Error("asked for other objects too")
			}
		})
	}
}

func TestFollowOutlivesFaults(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.put(widgets, managed(t, widgets, "hook"))
	server.answer["widgets"] = http.StatusInternalServerError
	go func() {
		<-server.refused
		server.set(func() { server.answer["widgets"] = 0 })
	}()
	if err := follow(t, server, func(object *unstructured.Unstructured) (bool, error) {
		return object != nil, nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFollowEndsWithTheReason(t *testing.T) {
	t.Parallel()
	verdict := errors.New("the job has failed")
	for name, tt := range map[string]struct {
		answer int
		see    func(cancel func()) error
		is     func(error) bool
		says   string
	}{
		"forbidden":    {answer: http.StatusForbidden, is: apierrors.IsForbidden, says: "hook"},
		"unauthorized": {answer: http.StatusUnauthorized, is: apierrors.IsUnauthorized, says: "hook"},
		"a verdict":    {see: func(func()) error { return verdict }, is: func(err error) bool { return err == verdict }},
		"its context": {see: func(cancel func()) error { cancel(); return nil },
			is: func(err error) bool { return errors.Is(err, context.Canceled) }, says: "hook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.answer["widgets"] = tt.answer
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := Follow(ctx, jobsOf(t, server), "hook", func(*unstructured.Unstructured) (bool, error) {
				return false, tt.see(cancel)
			})
			if err == nil || !tt.is(err) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFollowNamesTheLastFault(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.answer["widgets"] = http.StatusInternalServerError
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-server.refused
		<-server.refused // the first was taken in
		cancel()
	}()
	err := Follow(ctx, jobsOf(t, server), "hook", func(*unstructured.Unstructured) (bool, error) { return true, nil })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "refused with 500") {
		t.Errorf("got %v", err)
	}
}
