package env

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Patience bounds the waits of tests; it is for slow machines and asserts nothing.
const Patience = 2 * time.Minute

// T is what the helpers of this file need of a test.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Cleanup(f func())
	Failed() bool
	Log(args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Conditioned is an object of Fairlead's that has conditions.
type Conditioned interface {
	client.Object
	v1beta1.Conditioned
}

// Namespace makes a namespace that is named after the test. When the test fails, it shows what the objects in it say.
func (c *Cluster) Namespace(t T) string {
	t.Helper()
	name := strings.ToLower(
		strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	name = strings.TrimRight(name[:min(len(name), 40)], "-")
	c.MustApply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	t.Cleanup(func() { c.ShowOnFailure(t, name) })
	return name
}

// MustApply is Apply, which has to succeed.
func (c *Cluster) MustApply(t T, objects ...client.Object) {
	t.Helper()
	if err := c.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

// Exists reads an object and reports whether it is there.
func (c *Cluster) Exists(t T, object client.Object) bool {
	t.Helper()
	err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

// Read reads an object, which has to be there, and returns it.
func Read[O client.Object](t T, c *Cluster, object O) O {
	t.Helper()
	if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// Await asks again and again until the answer is yes, for as long as Patience lasts.
func Await(t T, what string, ask func() bool) {
	t.Helper()
	if err := Until(t.Context(), Patience, what, func() (bool, error) { return ask(), nil }); err != nil {
		t.Fatal(err)
	}
}

// AwaitReadiness reads an object again and again until its condition Ready is as it should be, for as long as Patience
// lasts, and returns that. The condition is the zero value as long as the object has none.
func (c *Cluster) AwaitReadiness(
	t T, object Conditioned, what string, is func(ready metav1.Condition) bool,
) metav1.Condition {
	t.Helper()
	var ready metav1.Condition
	err := Until(t.Context(), Patience, what, func() (bool, error) {
		ready = Condition(Read(t, c, object), v1beta1.ReadyCondition)
		return is(ready), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; Ready is %s, %s: %s", client.ObjectKeyFromObject(object), err, ready.Status, ready.Reason,
			ready.Message)
	}
	return ready
}

// AwaitReady waits until an object is Ready at its present generation.
func (c *Cluster) AwaitReady(t T, object Conditioned) {
	t.Helper()
	c.AwaitReadiness(t, object, "it is Ready", func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == object.GetGeneration()
	})
}

// Condition returns a condition of an object as it was read, the zero value when it has none.
func Condition(object v1beta1.Conditioned, kind string) metav1.Condition {
	if found := meta.FindStatusCondition(object.GetConditions(), kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}
