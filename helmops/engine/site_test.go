package engine

import (
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
)

// News of records name the namespace whose kubeConfig leads to their cluster, so that they are for the objects of that
// namespace alone.
func TestNewsOfRecordsNameTheirCluster(t *testing.T) {
	t.Parallel()
	kubeconfig, _ := farServer(t, "", "sh.helm.release.v1.web.v1")
	far := cluster.Access{Kubeconfig: kubeconfig}
	remote := cluster.NewPool(8, time.Hour, time.Now)
	t.Cleanup(remote.Close)
	local, err := cluster.New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	type news struct{ of, storageNamespace, release string }
	changed := make(chan news, 16)
	e := New(t.Context(), Config{
		Local: local, Remote: remote, Now: time.Now,
		OnRecordChanged: func(of, storageNamespace, release string) { changed <- news{of, storageNamespace, release} },
	})
	for _, namespace := range []string{"one", "two"} {
		far.Namespace = namespace
		target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
		if _, err := e.History(t.Context(), far, target); err != nil {
			t.Fatal(err)
		}
		if got, want := <-changed, (news{namespace, "apps", "web"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
