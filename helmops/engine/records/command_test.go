package records

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"
)

// The helm command of the repository reads records of several gzip members.
func TestTheHelmCommandReadsOurRecords(t *testing.T) {
	t.Parallel()
	command := filepath.Join("..", "..", "..", "bin", "helm")
	if _, err := os.Stat(command); err != nil {
		t.Skipf("the helm command is not built: %v", err)
	}
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusSuperseded), newRelease(2, release.StatusDeployed, func(r *release.Release) {
		r.Hooks = []*release.Hook{hook("Job", "migrate", release.HookPreInstall)}
		r.Info.Notes = "open the door"
	}))
	tests := []struct {
		args []string
		want []string
	}{
		{args: []string{"history", "web"}, want: []string{"superseded", "deployed", "web-1.0.0", "as told"}},
		{args: []string{"get", "all", "web"}, want: []string{"kind: ConfigMap", "name: migrate", "replicas: 2", "list:", "open the door"}},
		{args: []string{"list"}, want: []string{"web", "9.9"}},
	}
	for _, tt := range tests {
		args := append(tt.args, "--namespace", namespace, "--kube-apiserver", s.url, "--kube-token", alice)
		cmd := exec.CommandContext(t.Context(), command, args...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "KUBECONFIG=/dev/null"}
		out, err := cmd.CombinedOutput()
		for _, want := range tt.want {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("helm %s lacks %q (error %v):\n%s", strings.Join(tt.args, " "), want, err, out)
			}
		}
	}
}
