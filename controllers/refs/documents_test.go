package refs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// counted are documents over an API server that counts what it is asked.
type counted struct {
	*Documents
	client client.Client
	asked  int
}

func newCounted(budget int, objects ...client.Object) *counted {
	c := &counted{client: fake.NewClientBuilder().WithObjects(objects...).Build()}
	live := interceptor.NewClient(c.client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, o client.Object,
			options ...client.GetOption) error {
			c.asked++
			return to.Get(ctx, key, o, options...)
		},
	})
	c.Documents = NewDocuments(c.client, live, budget)
	return c
}

// want checks what a document has under the key k, empty for no document, and how often the API server has been asked
// by now.
func (c *counted) want(t *testing.T, key Document, content string, asked int) {
	t.Helper()
	all, err := c.Get(t.Context(), key)
	if content == "" && !apierrors.IsNotFound(err) || content != "" && err != nil {
		t.Fatalf("%v: %v", key, err)
	}
	if got := string(all["k"]); got != content || c.asked != asked {
		t.Errorf("%v is %q after %d requests, want %q after %d", key, got, c.asked, content, asked)
	}
}

func inApps(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "apps", Name: name}
}

func TestLookingAgainCostsNoRequest(t *testing.T) {
	t.Parallel()
	config := &corev1.ConfigMap{ObjectMeta: named("base"), Data: map[string]string{"k": "one"}}
	c := newCounted(MaxDocuments, config)
	key, absent := Document{"ConfigMap", inApps("base")}, Document{"Secret", inApps("late")}
	c.Name(inApps("web"), key, absent)
	c.want(t, key, "one", 1)
	c.want(t, key, "one", 1)
	c.want(t, absent, "", 2)
	c.want(t, absent, "", 2)

	config.Data["k"] = "two"
	if err := c.client.Update(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	late := &corev1.Secret{ObjectMeta: named("late"), Data: map[string][]byte{"k": []byte("here")}}
	if err := c.client.Create(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	c.want(t, key, "two", 3)
	c.want(t, absent, "here", 4)
	c.want(t, key, "two", 4)
	if err := c.client.Delete(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	c.want(t, absent, "", 5)
	c.want(t, absent, "", 5)
}

// When many look at the same time, one asks the API server, and what it fails to read the next one reads.
func TestLookingTogetherCostsOneRequest(t *testing.T) {
	t.Parallel()
	c := newCounted(MaxDocuments, &corev1.ConfigMap{ObjectMeta: named("base"), Data: map[string]string{"k": "one"}})
	key := Document{"ConfigMap", inApps("base")}
	c.Name(inApps("web"), key)
	synctest.Test(t, func(t *testing.T) {
		failed, release := errors.New("the first request fails"), make(chan struct{})
		asked := 0
		c.live = interceptor.NewClient(c.client.(client.WithWatch), interceptor.Funcs{
			Get: func(ctx context.Context, to client.WithWatch, k client.ObjectKey, o client.Object,
				options ...client.GetOption) error {
				asked++
				first := asked == 1
				<-release
				if first {
					return failed
				}
				return to.Get(ctx, k, o, options...)
			},
		})
		answers := make(chan string, 4)
		for range cap(answers) {
			go func() {
				data, err := c.Get(t.Context(), key)
				answers <- fmt.Sprint(string(data["k"]), errors.Is(err, failed))
			}()
		}
		synctest.Wait()
		if asked != 1 {
			t.Errorf("%d requests are under way, want 1", asked)
		}
		close(release)
		got := map[string]int{}
		for range cap(answers) {
			got[<-answers]++
		}
		if asked != 2 || got["true"] != 1 || got["onefalse"] != 3 {
			t.Errorf("%d requests, answers %v", asked, got)
		}
		if len(c.reads) != 0 {
			t.Errorf("%d requests are still noted", len(c.reads))
		}
	})
}

func TestWhatNobodyNamesIsDropped(t *testing.T) {
	t.Parallel()
	c := newCounted(MaxDocuments, &corev1.Secret{ObjectMeta: named("db"), Data: map[string][]byte{"k": []byte("hunter2")}})
	key := Document{"Secret", inApps("db")}
	c.want(t, key, "hunter2", 1)
	if len(c.kept) != 0 {
		t.Error("what nobody names is kept")
	}
	c.Name(inApps("web"), key)
	c.Name(inApps("api"), key)
	c.want(t, key, "hunter2", 2)
	c.Name(inApps("web"), key) // looks again
	c.Name(inApps("api"))
	c.want(t, key, "hunter2", 2)
	c.Name(inApps("web"), Document{"Secret", inApps("other")})
	if len(c.kept) != 0 || c.size != 0 || len(c.users) != 1 || len(c.named) != 1 {
		t.Errorf("kept %d documents of %d bytes, users %v, named %v", len(c.kept), c.size, c.users, c.named)
	}
}

func TestDocumentsStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	var objects []client.Object
	var keys []Document
	for i := range 4 {
		name := fmt.Sprint("c", i)
		objects = append(objects,
			&corev1.ConfigMap{ObjectMeta: named(name), Data: map[string]string{"k": strings.Repeat("x", 99)}})
		keys = append(keys, Document{"ConfigMap", inApps(name)})
	}
	objects = append(objects,
		&corev1.ConfigMap{ObjectMeta: named("huge"), Data: map[string]string{"k": strings.Repeat("x", 400)}})
	keys = append(keys, Document{"ConfigMap", inApps("huge")})
	c := newCounted(300, objects...)
	c.Name(inApps("web"), keys...)
	content := strings.Repeat("x", 99)
	c.want(t, keys[0], content, 1)
	c.want(t, keys[1], content, 2)
	c.want(t, keys[2], content, 3)
	c.want(t, keys[0], content, 3) // now 1 is the oldest
	c.want(t, keys[3], content, 4)
	c.want(t, keys[0], content, 4)
	c.want(t, keys[1], content, 5)
	c.want(t, keys[4], strings.Repeat("x", 400), 6)
	c.want(t, keys[4], strings.Repeat("x", 400), 7)
	if c.size != 300 || len(c.kept) != 3 {
		t.Errorf("%d bytes in %d documents", c.size, len(c.kept))
	}
}

func TestTheSameNameIsAnotherObject(t *testing.T) {
	t.Parallel()
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "base", UID: "1"}, Data: map[string]string{"k": "one"},
	}
	c := newCounted(MaxDocuments, config)
	key := Document{"ConfigMap", inApps("base")}
	c.Name(inApps("web"), key)
	c.want(t, key, "one", 1)
	if err := c.client.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	again := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "base", UID: "2"}, Data: map[string]string{"k": "two"},
	}
	if err := c.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	c.want(t, key, "two", 2)
}
