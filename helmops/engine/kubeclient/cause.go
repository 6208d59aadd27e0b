package kubeclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/health"
)

const (
	// explainTimeout bounds the search for a cause; the failure is reported without it as well.
	explainTimeout = 10 * time.Second
	// podsLooked is how many pods of a workload are looked at.
	podsLooked = 50
)

// explained words what the objects lack. The cause is looked up for as many as an error names.
func (c *Client) explained(lacking []unready) []string {
	texts := make([]string, len(lacking))
	for i, object := range lacking {
		if i < maxNamed {
			texts[i] = name(object.info) + ": " + c.explain(object)
		} else {
			texts[i] = name(object.info) + ": " + object.report.Full()
		}
	}
	return texts
}

// explain adds to what an object lacks why its pods do not run.
func (c *Client) explain(object unready) string {
	ctx, cancel := context.WithTimeout(c.ctx, explainTimeout)
	defer cancel()
	cause := object.cause
	if cause == "" {
		cause = c.podCause(ctx, object.info)
	}
	if cause == "" {
		cause = c.controllerCause(object.info)
	}
	if cause == "" {
		return object.report.Full()
	}

	return object.report.Full() + "; " + cause
}

// podCause looks at the pods of a workload, the newest first, and says why one of them does not run.
func (c *Client) podCause(ctx context.Context, info *resource.Info) string {
	pods := c.identity.Kube().CoreV1().Pods(info.Namespace)
	if info.Mapping.GroupVersionKind.Kind == "Pod" {
		pod, err := pods.Get(ctx, info.Name, metav1.GetOptions{})
		if err != nil {
			return ""
		}

		return health.PodCause(pod)
	}

	selector := podSelector(info)
	if selector == "" {
		return ""
	}

	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: podsLooked})
	if err != nil {
		return ""
	}

	slices.SortFunc(list.Items, func(a, b corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range list.Items {
		if cause := health.PodCause(&list.Items[i]); cause != "" {
			return "pod " + list.Items[i].Name + " " + cause
		}
	}

	return ""
}

// podSelector selects the pods of a workload; empty for what has none.
func podSelector(info *resource.Info) string {
	content, ok := info.Object.(*unstructured.Unstructured)
	if !ok {
		return ""
	}

	switch info.Mapping.GroupVersionKind.Kind {
	case "Job":
		return labels.Set{"batch.kubernetes.io/job-name": info.Name}.String()
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		match, _, _ := unstructured.NestedStringMap(content.Object, "spec", "selector", "matchLabels")
		return labels.Set(match).String()
	default:
		return ""
	}
}

// controllerCause is why the controller of a workload makes no pods: a quota, an admission webhook.
func (c *Client) controllerCause(info *resource.Info) string {
	if podSelector(info) == "" {
		return ""
	}

	live, err := c.live(info)
	if err != nil {
		return ""
	}

	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, entry := range conditions {
		condition, ok := entry.(map[string]any)
		if ok && condition["type"] == "ReplicaFailure" && condition["status"] == "True" {
			return fmt.Sprintf("%v: %v", condition["reason"], condition["message"])
		}
	}

	return ""
}
