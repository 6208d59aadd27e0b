package apply

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/memory"
)

func TestAClusterThatSaysTooMuchIsNotAsked(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	remote := cluster.NewPool(2, time.Hour, time.Now)
	t.Cleanup(remote.Close)
	e := New(t.Context(), Config{Local: server.local(t), Remote: remote, Now: time.Now})
	kubeconfig, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"contexts": []any{map[string]any{"name": "a", "context": map[string]string{"cluster": "a", "user": "a"}}},
		"clusters": []any{map[string]any{"name": "a", "cluster": map[string]string{"server": server.URL}}},
		"users":    []any{map[string]any{"name": "a", "user": map[string]string{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	access := cluster.Access{Namespace: "apps", Kubeconfig: kubeconfig}
	if err := errors.Join(e.Exceeded(access), e.Exceeded(cluster.Access{})); err != nil {
		t.Fatal(err)
	}
	at, err := remote.Get(access)
	if err != nil {
		t.Fatal(err)
	}
	_ = at.Memory().Add(1 << 40) // it is more than there may be
	if known, _, err := e.sites.Get(cluster.Access{}); err != nil || known.cluster.Memory().Bounded() {
		t.Errorf("the local cluster has bounds, error = %v", err)
	}
	var exceeded *memory.ExceededError
	if err := e.Exceeded(access); !errors.As(err, &exceeded) {
		t.Errorf("error = %v", err)
	}
	result := e.Apply(t.Context(), access, Set{Owner: types.NamespacedName{Namespace: "apps", Name: "web"}})
	if reason, final := Reason(result.Err); reason != v1beta1.ClusterUnreachableReason || final {
		t.Errorf("reason %s, final %v: %v", reason, final, result.Err)
	}
	if err := e.Exceeded(cluster.Access{}); err != nil {
		t.Errorf("the local cluster: %v", err)
	}
}
