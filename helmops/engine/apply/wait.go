package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/health"
)

// Objects are looked at again after firstLook, then ever more slowly, up to lastLook.
const (
	firstLook = 200 * time.Millisecond
	lastLook  = 2 * time.Second
	// maxNamed is how many objects an error names.
	maxNamed = 3
)

// NotReadyError says which objects did not become ready.
type NotReadyError struct {
	// TimedOut is set when there was no more time, unset when an object has failed for good.
	TimedOut bool
	Timeout  time.Duration
	// Objects that are not ready, with what they lack: "Deployment apps/web: Available: 0/1".
	Objects []string
	// Of is how many objects the release has.
	Of int
}

// Error implements error.
func (e *NotReadyError) Error() string {
	named := e.Objects
	more := ""
	if len(named) > maxNamed {
		named, more = named[:maxNamed], fmt.Sprintf("; and %d more", len(e.Objects)-maxNamed)
	}
	what := strings.Join(named, "; ") + more
	if e.TimedOut {
		return fmt.Sprintf("%d of %d objects not ready after %s: %s", len(e.Objects), e.Of, e.Timeout, what)
	}
	return "failed: " + what
}

// untilReady waits until every object is ready. It ends at once when one has failed for good.
func untilReady(ctx context.Context, superseded <-chan struct{}, resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	open := resources
	for pause := firstLook; ; pause = min(pause*3/2, lastLook) {
		var waiting kube.ResourceList
		var lacking []string
		for _, info := range open {
			report, err := look(info, jobs)
			if err != nil {
				return err
			}
			lack := name(info) + ": " + report.Message
			switch report.State {
			case health.Failed:
				return &NotReadyError{Objects: []string{lack}, Of: len(resources)}
			case health.InProgress:
				waiting, lacking = append(waiting, info), append(lacking, lack)
			case health.Current:
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		open = waiting
		select {
		case <-superseded:
			return ErrSuperseded
		case <-ctx.Done():
			return &NotReadyError{TimedOut: true, Timeout: timeout, Objects: lacking, Of: len(resources)}
		case <-time.After(pause):
		}
	}
}

// look reads one object and judges it. A passing fault of the API server is no verdict on the object.
func look(info *resource.Info, jobs bool) (health.Report, error) {
	live, err := resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name)
	switch {
	case apierrors.IsNotFound(err):
		if jobs && info.Mapping.GroupVersionKind.Kind == "Job" {
			return health.Report{State: health.Current}, nil // removed after it finished, by its time to live
		}
		return health.Report{State: health.InProgress, Message: "does not exist"}, nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return health.Report{}, fmt.Errorf("reading %s: %w", name(info), err)
	case err != nil:
		return health.Report{State: health.InProgress, Message: "cannot be read: " + err.Error()}, nil //nolint:nilerr // it is looked at again
	}
	object, err := toUnstructured(live)
	if err != nil {
		return health.Report{}, fmt.Errorf("reading %s: %w", name(info), err)
	}
	return health.Assess(object, jobs), nil
}

func toUnstructured(object runtime.Object) (*unstructured.Unstructured, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		return u, nil
	}
	if object == nil {
		return nil, errors.New("the API server answered with nothing")
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	return &unstructured.Unstructured{Object: content}, err
}

func name(info *resource.Info) string {
	kind := info.Mapping.GroupVersionKind.Kind
	if info.Namespace == "" {
		return kind + " " + info.Name
	}
	return kind + " " + info.Namespace + "/" + info.Name
}
