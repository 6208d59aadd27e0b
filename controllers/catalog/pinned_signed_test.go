package catalog

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// A pinned chart has to be signed as the HelmChart demands, also when only its origin has it, and again when the keys
// change. Without a signature, what was verified before stays.
func TestAPinnedChartIsSigned(t *testing.T) {
	t.Parallel()
	packager, err := servers.NewPackager()
	if err != nil {
		t.Fatal(err)
	}
	one := archiveOf(t, "1.0.0")
	file, err := packager.Sign(one)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		signed bool
		// change is what happens upstream before the first poll, later what happens after.
		change, later func(*servers.Charts)
		reason        string
	}{
		{name: "signed", signed: true},
		{name: "not signed", reason: v1beta1.VerificationFailedReason},
		{name: "signed at its origin", signed: true, change: withdraw},
		{name: "not signed at its origin", change: withdraw, reason: v1beta1.VerificationFailedReason},
		{name: "upstream drops it later", signed: true, later: withdraw},
		{name: "upstream drops it later, and its signature", signed: true, later: func(c *servers.Charts) {
			withdraw(c)
			c.AddProvenance("web", "1.0.0", nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, err := servers.ChartRepository(servers.ChartOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			if err := server.Add(one); err != nil {
				t.Fatal(err)
			}
			if tt.signed {
				server.AddProvenance("web", "1.0.0", file)
			}
			if tt.change != nil {
				tt.change(server)
			}
			secret := &corev1.Secret{Data: map[string][]byte{"team.asc": packager.Armored}}
			secret.Namespace, secret.Name, secret.UID = "apps", "team", "1"
			source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
			hc := pinnedTo(v1beta1.HelmRepositoryKind, "web", "1.0.0", digestOf(one), "charts/web-1.0.0.tgz")
			hc.Spec.Verify = &v1beta1.Verification{
				Provider: v1beta1.VerifyHelm, SecretRef: &v1beta1.LocalObjectReference{Name: "team"},
			}
			c := newCatalog(t, source, hc, secret)
			got := take(t, c, source, hc)
			if sources.Reason(got.Err) != tt.reason || (tt.reason == "") != (got.Signed != "") {
				t.Errorf("got %v signed %q, want %s", got.Err, got.Signed, tt.reason)
			}
			if tt.later == nil {
				return
			}
			tt.later(server)
			if got = take(t, c, source, hc); got.Err != nil || got.Signed == "" {
				t.Errorf("later it is %v signed %q", got.Err, got.Signed)
			}
		})
	}
}

// Other keys have the signature of a chart that upstream no longer offers checked again, once.
func TestOtherKeysOfAPinnedChart(t *testing.T) {
	t.Parallel()
	packager, err := servers.NewPackager()
	if err != nil {
		t.Fatal(err)
	}
	one := archiveOf(t, "1.0.0")
	file, err := packager.Sign(one)
	if err != nil {
		t.Fatal(err)
	}
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Add(one); err != nil {
		t.Fatal(err)
	}
	server.AddProvenance("web", "1.0.0", file)
	secret := &corev1.Secret{Data: map[string][]byte{"team.asc": packager.Armored}}
	secret.Namespace, secret.Name, secret.UID = "apps", "team", "1"
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	hc := pinnedTo(v1beta1.HelmRepositoryKind, "web", "1.0.0", digestOf(one), "")
	hc.Spec.Verify = &v1beta1.Verification{
		Provider: v1beta1.VerifyHelm, SecretRef: &v1beta1.LocalObjectReference{Name: "team"},
	}
	objects := newClient(t, source, hc, secret)
	c := NewCatalog(objects, objects, newStore(t))
	if got := take(t, c, source, hc); got.Err != nil {
		t.Fatal(got.Err)
	}
	withdraw(server)
	take(t, c, source, hc)
	live := &corev1.Secret{}
	if err := objects.Get(t.Context(), client.ObjectKeyFromObject(secret), live); err != nil {
		t.Fatal(err)
	}
	live.Data["other.asc"] = packager.Armored
	if err := objects.Update(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	if got := c.Poll(t.Context(), hc, nil); !IsPending(got.Err) {
		t.Fatalf("other keys do not put it in doubt: %v", got.Err)
	}
	for range 2 {
		if got := take(t, c, source, hc); got.Err != nil || got.Signed == "" {
			t.Errorf("with other keys it is %v signed %q", got.Err, got.Signed)
		}
	}
}
