package main

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// syncs is what the controller does for a request to sync some objects.
func syncs(change ...func(*v1beta1.HelmRelease)) func(client.Object) {
	return func(o client.Object) {
		hr := o.(*v1beta1.HelmRelease)
		token, ids := v1beta1.ObjectSyncRequest(hr, "")
		hr.Status.LastHandledSyncObjectsAt = token
		hr.Status.LastObjectSync = &v1beta1.ObjectSync{RequestedAt: token, Revision: 42, Objects: ids}
		for _, c := range change {
			c(hr)
		}
	}
}

func TestSyncObjects(t *testing.T) {
	t.Parallel()
	fails := syncs(func(hr *v1beta1.HelmRelease) { hr.Status.LastObjectSync.Failure = "ConfigMap web/shop: forbidden" })
	refuses := syncs(func(hr *v1beta1.HelmRelease) { hr.Status.LastObjectSync = nil })
	owning := func(hr *v1beta1.HelmRelease) {
		hr.Status.Inventory = &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{
			{ID: "web_shop_apps_Deployment", Version: "v1"}, {ID: "web_shop__ConfigMap", Version: "v1"},
		}}
	}
	of := func(step func(client.Object)) world { return rollbackWorld(steered(owning), step) }
	const shop = "sync release shop -n web --object "
	runGolden(t, []goldenCase{
		{"sync-object", of(syncs()), shop + "Deployment/shop"},
		{"sync-objects", of(syncs()), shop + "Deployment/shop --object configmap/web/shop"},
		{"sync-object-failed", of(fails), shop + "ConfigMap/shop"},
		{"sync-object-not-now", of(refuses), shop + "ConfigMap/shop"},
		{"sync-object-unanswered", rollbackWorld(steered(owning)), shop + "ConfigMap/shop --timeout 1s"},
		{"sync-object-unknown", of(syncs()), shop + "Secret/shop"},
		{"sync-object-force", of(syncs()), shop + "ConfigMap/shop --force"},
		{"sync-object-kustomization", world{objects: []client.Object{apps()}}, "sync ks apps -n web --object ConfigMap/a"},
	})
}

// deletionsWait is a Kustomization that waits for the confirmation of deletions.
func deletionsWait() *v1beta1.Kustomization {
	k := apps()
	k.Status.UnconfirmedPrune = &v1beta1.UnconfirmedPrune{
		Digest: "sha256:" + strings.Repeat("9f86d081884c", 5) + "9f86", Count: 1,
		Objects: []v1beta1.KeptObject{{Kind: "ConfigMap", Namespace: "web", Name: "old"}},
	}
	return k
}

func TestConfirmationsOfDeletions(t *testing.T) {
	t.Parallel()
	of := func(objects ...client.Object) world { return world{objects: objects} }
	const prune = " kustomization apps -n web --prune "
	runGolden(t, []goldenCase{
		{"approve-prune", of(deletionsWait()), "approve" + prune + "9f86d081884c"},
		{"reject-prune", of(deletionsWait()), "reject" + prune + "9f86d081884c --comment no"},
		{"approve-prune-other", of(deletionsWait()), "approve" + prune + "2ad772e4ecf0"},
		{"approve-prune-none", of(apps()), "approve" + prune + "9f86d081884c"},
		{"approve-prune-and-plan", of(deletionsWait()), "approve" + prune + "9f86d081884c --plan 2ad772e4ecf0"},
		{"approve-prune-release", of(unapproved()), "approve release shop -n web --prune 9f86d081884c"},
		{"status-kustomization-prune", of(deletionsWait()), "status kustomization apps -n web"},
	})
}
