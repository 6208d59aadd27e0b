package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// edited is the image that a user puts into the Deployment by hand.
const edited = "example.com/beacon:by-hand"

// editByHand changes the Deployment of the release past Git, and waits until it is as the release says again.
func (s *show) editByHand(ctx context.Context) error {
	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: "default", Name: "beacon"}
	if err := s.cluster.Client.Get(ctx, key, deployment); err != nil {
		return err
	}
	before := deployment.Spec.Template.Spec.Containers[0].Image
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":"beacon","image":%q}]}}}}`, edited)
	began := time.Now()
	err := s.cluster.Client.Patch(ctx, deployment, client.RawPatch(types.StrategicMergePatchType, patch),
		client.FieldOwner("kubectl-edit"))
	if err != nil {
		return err
	}
	say("      beacon      the image of its Deployment was set to %s by hand", edited)
	err = s.until(ctx, "the Deployment is repaired", func() (bool, error) {
		err := s.cluster.Client.Get(ctx, key, deployment)
		return deployment.Spec.Template.Spec.Containers[0].Image == before, err
	})
	if err != nil {
		return err
	}
	say("      beacon      repaired %s after the edit: %s again", since(began), before)
	return s.until(ctx, "the release mentions it", func() (bool, error) {
		hr, err := s.release(ctx, "beacon")
		drifted := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
		if err != nil || drifted == nil || drifted.Reason != v1beta1.DriftCorrectedReason {
			return false, err
		}
		say("      beacon      %s", drifted.Message)
		return true, nil
	})
}

// unpullable changes the values of a chart so that the image of its pods cannot be pulled.
func unpullable(values map[string]any) {
	values["podAnnotations"] = map[string]any{"sim.fairlead.dev/waiting": "ImagePullBackOff"}
}

// publishBroken publishes a version whose image cannot be pulled, and waits until the release is back on the one
// before.
func (s *show) publishBroken(ctx context.Context) error {
	began := time.Now()
	if err := s.upstream.publish(ctx, brokenVersion, unpullable); err != nil {
		return err
	}
	said := ""
	return s.until(ctx, "the release is rolled back", func() (bool, error) {
		hr, err := s.release(ctx, "beacon")
		if err != nil {
			return false, err
		}
		if state, _ := describe(hr, ""); state != said {
			said = state
			say("      beacon      %s", state)
		}
		back := meta.IsStatusConditionTrue(hr.Status.Conditions, v1beta1.RemediatedCondition) && len(hr.Status.KnownBad) > 0
		if back {
			say("      beacon      %s runs again %s after %s was published, which is not tried again",
				hr.Status.Latest().ChartVersion, since(began), brokenVersion)
		}
		return back, nil
	})
}

// publishFix publishes a version that is good again, and waits until the release runs it.
func (s *show) publishFix(ctx context.Context) error {
	began := time.Now()
	if err := s.upstream.publish(ctx, fixedVersion); err != nil {
		return err
	}
	if err := s.await(ctx, map[string]string{"lighthouse": firstVersion, "beacon": fixedVersion}); err != nil {
		return err
	}
	say("      beacon      runs the fix %s after it was published", since(began))
	return nil
}

func (s *show) release(ctx context.Context, name string) (*v1beta1.HelmRelease, error) {
	hr := &v1beta1.HelmRelease{}
	return hr, s.cluster.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, hr)
}

// until asks again and again, because the demonstration is a user who looks.
func (s *show) until(ctx context.Context, what string, is func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		if err := s.failed(deadline, map[string]string{"waiting until": what}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func since(began time.Time) string { return fmt.Sprintf("%.2fs", time.Since(began).Seconds()) }
