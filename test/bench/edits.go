package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restoreTimeout is when an edit counts as missed.
const restoreTimeout = time.Minute

// byHand is the field manager of the edits.
const byHand = client.FieldOwner("kubectl-edit")

// edit is a change to one object of a release, past Git.
type edit struct {
	kind   string
	object func() client.Object
	list   func() client.ObjectList
	// patch is a strategic merge patch; empty deletes the object.
	patch string
	// field is what the edit changes.
	field func(client.Object) any
}

// edits that are made by turns.
var edits = []edit{
	{kind: "the data of a ConfigMap", object: func() client.Object { return &corev1.ConfigMap{} },
		list:  func() client.ObjectList { return &corev1.ConfigMapList{} },
		patch: `{"data":{"message":"by hand"}}`, field: func(o client.Object) any {
			return o.(*corev1.ConfigMap).Data["message"]
		}},
	{kind: "the image of a Deployment", object: func() client.Object { return &appsv1.Deployment{} },
		list:  func() client.ObjectList { return &appsv1.DeploymentList{} },
		patch: `{"spec":{"template":{"spec":{"containers":[{"name":"beacon","image":"example.com/by-hand:1"}]}}}}`,
		field: func(o client.Object) any { return o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image }},
	{kind: "the selector of a Service", object: func() client.Object { return &corev1.Service{} },
		list:  func() client.ObjectList { return &corev1.ServiceList{} },
		patch: `{"spec":{"selector":{"app.kubernetes.io/instance":"by-hand"}}}`, field: func(o client.Object) any {
			return o.(*corev1.Service).Spec.Selector
		}},
	{kind: "a label of a ServiceAccount", object: func() client.Object { return &corev1.ServiceAccount{} },
		list:  func() client.ObjectList { return &corev1.ServiceAccountList{} },
		patch: `{"metadata":{"labels":{"app.kubernetes.io/instance":"by-hand"}}}`, field: func(o client.Object) any {
			return o.GetLabels()["app.kubernetes.io/instance"]
		}},
	{kind: "a ConfigMap, deleted", object: func() client.Object { return &corev1.ConfigMap{} },
		list:  func() client.ObjectList { return &corev1.ConfigMapList{} },
		field: func(o client.Object) any { return o.(*corev1.ConfigMap).Data["message"] }},
}

// editByHand makes edits to objects of random releases, one after the other, and takes the time until each is undone.
func (f *field) editByHand(ctx context.Context, r *result) error {
	random := rand.New(rand.NewPCG(1, 2)) // every run makes the same edits
	var took []float64
	begin := time.Now()
	for i := range r.Releases {
		name := fmt.Sprintf("r%04d", random.IntN(f.settings.Releases))
		elapsed, err := f.edit(ctx, edits[i%len(edits)], name)
		if err != nil {
			return err
		}
		took = append(took, elapsed.Seconds())
	}
	r.Ready, r.Wall = spreadOf(took), time.Since(begin).Seconds()
	return nil
}

// edit changes or deletes one object and waits until it is as it was.
func (f *field) edit(ctx context.Context, e edit, release string) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, restoreTimeout,
		errors.New("it was not undone in "+restoreTimeout.String()))
	defer cancel()
	object := e.object()
	if err := f.cluster.Client.Get(ctx, clientKey(release), object); err != nil {
		return 0, err
	}
	before := e.field(object)
	events, err := f.cluster.Client.Watch(ctx, e.list(), &client.ListOptions{
		Namespace: namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", release),
		Raw: &metav1.ListOptions{ResourceVersion: object.GetResourceVersion()},
	})
	if err != nil {
		return 0, err
	}
	defer events.Stop()
	began := time.Now()
	if e.patch == "" {
		err = f.cluster.Client.Delete(ctx, object)
	} else {
		err = f.cluster.Client.Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, []byte(e.patch)), byHand)
	}
	if err != nil {
		return 0, err
	}
	if err := undone(ctx, events, e, before); err != nil {
		return 0, fmt.Errorf("%s of release %s: %w", e.kind, release, err)
	}
	return time.Since(began), nil
}

// undone waits for the edit, and then for its end.
func undone(ctx context.Context, events watch.Interface, e edit, before any) error {
	edited := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-events.ResultChan():
			if !open {
				return errors.New("the watch has ended")
			}
			if event.Type == watch.Error {
				return apierrors.FromObject(event.Object)
			}
			object, ok := event.Object.(client.Object)
			same := ok && event.Type != watch.Deleted && reflect.DeepEqual(e.field(object), before)
			if edited && same {
				return nil
			}
			edited = edited || !same
		}
	}
}

// touchStatus changes the status of Deployments, which is no drift.
func (f *field) touchStatus(ctx context.Context, r *result) error {
	begin := time.Now()
	err := inParallel(writers, r.Releases, func(i int) error {
		object := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("r%04d", i%f.settings.Releases)},
		}
		patch := fmt.Appendf(nil, `{"status":{"conditions":[{"type":"Noise","status":"True","reason":"Run%d"}]}}`, i)
		return f.cluster.Client.Status().Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, patch), byHand)
	})
	r.Wall = time.Since(begin).Seconds()
	return err
}
