package engine

import (
	"fmt"
	"testing"

	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestSecretsOfARevision(t *testing.T) {
	t.Parallel()
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: %s}\n"
	const config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {color: yellow}\n"
	found, err := secretsOf(contentOf(&release.Release{
		Manifest: config + "---\n" + fmt.Sprintf(secret, "hunter1"),
		Hooks:    []*release.Hook{{Manifest: fmt.Sprintf(secret, "hunter2")}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := redact.NewMask(found...).Apply("hunter1 hunter2 yellow"); got != "*** *** yellow" {
		t.Errorf("masked it is %q", got)
	}
	if _, err := secretsOf(&Content{Hooks: []ContentHook{{Manifest: "a: *b"}}}); err == nil {
		t.Error("what cannot be read holds no secrets")
	}
}

func TestLiveVersions(t *testing.T) {
	t.Parallel()
	for want, history := range map[string][]plan.Record{
		"[3]": {{Version: 3, Status: plan.StatusDeployed}, {Version: 2, Status: plan.StatusSuperseded}},
		"[3 1]": {{Version: 3, Status: plan.StatusFailed}, {Version: 2, Status: plan.StatusFailed},
			{Version: 1, Status: plan.StatusDeployed}},
		"[1]": {{Version: 1, Status: plan.StatusFailed}},
	} {
		if got := fmt.Sprint(liveVersions(history)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
