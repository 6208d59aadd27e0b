package integration

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// zooChart has everything that the releases of the zoo ask of a chart by their values.
var zooChart = map[string]string{
	"templates/deployment.yaml": podsTemplate,
	"templates/bad.yaml": `{{- if .Values.bad }}
apiVersion: v1
kind: Service
metadata: {name: Not_A_Name}
spec: {ports: [{port: 1}]}
{{- end }}
`,
	"templates/test.yaml": `{{- with .Values.test }}
apiVersion: batch/v1
kind: Job
metadata: {name: {{ $.Release.Name }}-test, annotations: {helm.sh/hook: test}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {{ toJson (.nodeSelector | default dict) }}
      containers: [{name: main, image: example.com/sample, command: [sh, -c, "exit {{ .exit }}"]}]
{{- end }}
`,
	"templates/stuck.yaml": `{{- if .Values.stuck }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-stuck, finalizers: [` + hold + `]}
{{- end }}
`,
	"templates/hooks.yaml": `{{- range $hook, $exit := .Values.hooks }}
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ $.Release.Name }}-{{ $hook }}, annotations: {helm.sh/hook: {{ $hook }}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: example.com/sample, command: [sh, -c, "exit {{ $exit }}"]}]
{{- end }}
`,
	"templates/gear.yaml": `{{- with .Values.gear }}
apiVersion: {{ . }}.example.com/v1
kind: Cog
metadata: {name: cog}
{{- end }}
`,
}

// cogs is the definition of a kind of the test's own, as YAML with $NS for its namespace.
const cogs = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cogs.$NS.example.com}
spec:
  group: $NS.example.com
  names: {kind: Cog, plural: cogs}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`

// hr declares a release of the chart of the zoo.
func (z *zoo) hr(name, values string, changes ...func(*v1beta1.HelmReleaseSpec)) *v1beta1.HelmRelease {
	hr := release(z.ns, name, "sample", "1.x", "charts", values)
	hr.Spec.Bake = &metav1.Duration{}
	for _, change := range changes {
		change(&hr.Spec)
	}
	return hr
}

// sources keeps sources of all kinds, and what the rest of the zoo is made from.
func (z *zoo) sources() {
	z.Helper()
	charts := chartRepository(z.T, servers.ChartOptions{}, "sample")
	addChart(z.T, charts, "1.0.0", zooChart)
	broken := map[string]string{"crds/broken.yaml": "apiVersion: apiextensions.k8s.io/v1\n" +
		"kind: CustomResourceDefinition\nmetadata: {name: broken}\n"}
	addChart(z.T, charts, "2.0.0", broken)
	library := map[string]string{"Chart.yaml": "apiVersion: v2\nname: sample\nversion: 3.0.0\ntype: library\n"}
	addChart(z.T, charts, "3.0.0", library)
	z.keep(helmRepository(z.ns, "charts", charts.URL()), v1beta1.SucceededReason)

	push(z.T, world.registry, z.ns, "sample", "1.0.0")
	url := "oci://" + world.registry.Host() + "/" + z.ns + "/sample"
	oci := func(name string, ref *v1beta1.OCIRepositoryRef) *v1beta1.OCIRepository {
		repository := ociRepository(z.ns, url, ref)
		repository.Name = name
		return repository
	}
	z.keep(oci("oci", &v1beta1.OCIRepositoryRef{Tag: "1.0.0"}), v1beta1.SucceededReason)
	ofOCI := chartRef(z.ns, "of-oci", v1beta1.OCIRepositoryKind, "oci")
	ofOCI.Spec.Bake = &metav1.Duration{Duration: time.Hour}
	z.keep(ofOCI, v1beta1.InstallSucceededReason, v1beta1.BakingReason)
	z.keep(oci("no-tag", &v1beta1.OCIRepositoryRef{Tag: "9.9.9"}), v1beta1.NotFoundReason)
	signer, err := servers.NewSigner()
	if err != nil {
		z.Fatal(err)
	}
	apply(z.T, secretWith(z.ns, "signers", map[string][]byte{"team.pub": signer.Public}))
	unsigned := oci("unsigned", &v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
	unsigned.Spec.Verify = &v1beta1.Verification{Provider: "cosign", SecretRef: local("signers")}
	z.keep(unsigned, v1beta1.VerificationFailedReason)
	cloud := oci("cloud", &v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
	cloud.Spec.Provider = "aws"
	z.keep(cloud, v1beta1.UnsupportedReason)

	nobody := helmRepository(z.ns, "nobody", "http://127.0.0.1:1")
	z.keep(nobody, v1beta1.FetchFailedReason, v1beta1.ProgressingWithRetryReason)
	locked := helmRepository(z.ns, "locked", charts.URL())
	locked.Spec.SecretRef = local("no-such-secret")
	z.keep(locked, v1beta1.AuthenticationFailedReason)
	b := bucket(z.T, z.ns, map[string]string{"a.yaml": settings("of-bucket", "one")})
	z.keep(b, v1beta1.SucceededReason)
	z.git()
}

// git keeps a GitRepository with charts and manifests, and HelmCharts of it.
func (z *zoo) git() {
	z.Helper()
	values := map[string]string{"values-a.yaml": "message: a\n", "values-b.yaml": "message: b\n"}
	files := gitTree("sample", "1.0.0", values)
	for name, content := range gitTree("broken", "1.0.0", map[string]string{"Chart.yaml": "name: ["}) {
		files[name] = content
	}
	for name, content := range zooManifests(z.ns) {
		files[name] = content
	}
	fleet(z.T, z.ns, files)
	repository := get(z.T, &v1beta1.GitRepository{ObjectMeta: named(z.ns, "fleet")})
	z.keep(&v1beta1.GitRepository{ObjectMeta: named(z.ns, "fleet"), Spec: repository.Spec}, v1beta1.SucceededReason)
	lost := &v1beta1.GitRepository{ObjectMeta: named(z.ns, "lost"), Spec: repository.Spec}
	lost.Spec.URL = "http://?"
	z.keep(lost, v1beta1.URLInvalidReason)

	chart := func(name, path string) *v1beta1.HelmChart {
		return &v1beta1.HelmChart{ObjectMeta: named(z.ns, name), Spec: v1beta1.HelmChartSpec{
			Chart: path, SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
		}}
	}
	valued := chart("valued", "charts/sample")
	valued.Spec.ValuesFiles = []string{"charts/sample/values-a.yaml", "charts/sample/values-b.yaml"}
	z.keep(valued, v1beta1.SucceededReason)
	z.keep(chartRef(z.ns, "of-valued", v1beta1.HelmChartKind, "valued"), v1beta1.InstallSucceededReason)
	pinned := chart("pinned", "charts/sample")
	pinned.Spec.Digest = "sha256:" + strings.Repeat("0", 64)
	z.keep(pinned, v1beta1.DigestMismatchReason)
	z.keep(chart("broken", "charts/broken"), v1beta1.InvalidContentReason)
	z.keep(chartRef(z.ns, "of-broken", v1beta1.HelmChartKind, "broken"), v1beta1.SourceNotReadyReason)
}

// releases keeps releases that are what they are after one attempt, or without any.
func (z *zoo) releases() {
	z.Helper()
	forever := func(s *v1beta1.HelmReleaseSpec) { s.Timeout = &metav1.Duration{Duration: time.Hour} }
	z.keep(z.hr("waiting", `{"gated":true}`, forever), v1beta1.ProgressingReason)
	z.keep(z.hr("verified", "", func(s *v1beta1.HelmReleaseSpec) { s.Bake = &metav1.Duration{Duration: time.Second} }),
		v1beta1.HealthyReason, v1beta1.VerifiedReason, v1beta1.NoDriftReason)
	z.keep(z.hr("crashes", `{"waiting":"CrashLoopBackOff"}`), v1beta1.InstallFailedReason, v1beta1.NotVerifiedReason)
	z.keep(z.hr("given-up", `{"waiting":"CrashLoopBackOff"}`, func(s *v1beta1.HelmReleaseSpec) {
		s.Install = &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{}}
	}), v1beta1.RetriesExceededReason)
	last := true
	z.keep(z.hr("undone", `{"waiting":"CrashLoopBackOff"}`, func(s *v1beta1.HelmReleaseSpec) {
		s.Install = &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{RemediateLastFailure: &last}}
	}), v1beta1.UninstallSucceededReason)
	z.keep(z.hr("fails", `{"fail":"as arranged"}`), v1beta1.RenderFailedReason)
	z.keep(z.hr("unfit", `{"replicas":"three"}`), v1beta1.SchemaFailedReason)
	version := func(wanted string) func(*v1beta1.HelmReleaseSpec) {
		return func(s *v1beta1.HelmReleaseSpec) { s.Chart.Spec.Version = wanted }
	}
	z.keep(z.hr("no-version", "", version(">=9.0.0")), v1beta1.NoMatchReason)
	z.keep(z.hr("no-range", "", version("newest please")), v1beta1.InvalidReferenceReason)
	z.keep(z.hr("no-crds", "", version("2.x")), v1beta1.CRDsFailedReason)
	z.keep(z.hr("no-source", "", func(s *v1beta1.HelmReleaseSpec) {
		s.Chart.Spec.SourceRef.Name = "none"
	}), v1beta1.SourceNotFoundReason)
	z.keep(z.hr("no-values", "", func(s *v1beta1.HelmReleaseSpec) {
		s.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "none"}}
	}), v1beta1.ValuesErrorReason)
	z.keep(z.hr("no-account", "", func(s *v1beta1.HelmReleaseSpec) {
		s.ServiceAccountName = "none"
	}), v1beta1.AccessDeniedReason)
	z.keep(z.hr("no-rule", "", func(s *v1beta1.HelmReleaseSpec) {
		s.DriftDetection = &v1beta1.DriftDetection{Ignore: []v1beta1.DriftIgnoreRule{{Paths: []string{"spec.replicas"}}}}
	}), v1beta1.InvalidDriftRuleReason)
	z.keep(z.hr("no-expression", "", func(s *v1beta1.HelmReleaseSpec) {
		s.HealthCheckExprs = []v1beta1.HealthCheckExpr{{APIVersion: "example.com/v1", Kind: "Widget", Current: "status =="}}
	}), v1beta1.InvalidCELExpressionReason)
	z.keep(z.hr("unapproved", "", func(s *v1beta1.HelmReleaseSpec) {
		s.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	}), v1beta1.AwaitingApprovalReason)
	windowed := func(w v1beta1.SyncWindow) func(*v1beta1.HelmReleaseSpec) {
		return func(s *v1beta1.HelmReleaseSpec) { s.Sync = &v1beta1.Sync{Windows: []v1beta1.SyncWindow{w}} }
	}
	leapDay := v1beta1.SyncWindow{Cron: "0 0 29 2 *", Duration: metav1.Duration{Duration: time.Hour}}
	z.keep(z.hr("windowed", "", windowed(leapDay)), v1beta1.SyncWindowClosedReason)
	leapDay.TimeZone = "Europe/Atlantis"
	z.keep(z.hr("bad-window", "", windowed(leapDay)), v1beta1.InvalidSyncWindowReason)
	depends := func(on string) func(*v1beta1.HelmReleaseSpec) {
		return func(s *v1beta1.HelmReleaseSpec) { s.DependsOn = []v1beta1.DependencyReference{{Name: on}} }
	}
	z.keep(z.hr("dependent", "", depends("fails")), v1beta1.DependencyNotReadyReason)
	z.keep(z.hr("chicken", "", depends("egg")))
	z.keep(z.hr("egg", "", depends("chicken")), v1beta1.DependencyCycleReason)
	z.tests()
	z.remotes()
}

// tests keeps releases whose tests pass, fail and do not end.
func (z *zoo) tests() {
	z.Helper()
	tested := func(s *v1beta1.HelmReleaseSpec) {
		s.Test = &v1beta1.Test{Enable: true}
		s.Timeout = &metav1.Duration{Duration: time.Hour}
	}
	z.keep(z.hr("passes", `{"test":{"exit":0}}`, tested), v1beta1.TestSucceededReason)
	z.keep(z.hr("flunks", `{"test":{"exit":3}}`, tested), v1beta1.TestFailedReason)
	sits := z.hr("sits", `{"test":{"exit":0,"nodeSelector":{"disk":"none-such"}}}`, tested)
	z.keep(sits, v1beta1.AwaitingTestsReason)
	z.stays(sits, v1beta1.AwaitingTestsReason) // a test that runs is not interrupted
}

// histories keeps releases that were Ready once.
func (z *zoo) histories() {
	z.Helper()
	crash := func(hr *v1beta1.HelmRelease) func() {
		return func() { apply(z.T, withValues(hr, `{"waiting":"CrashLoopBackOff"}`)) }
	}
	hr := z.hr("rolled-back", "")
	z.train(hr, crash(hr), v1beta1.RollbackSucceededReason)
	bad := z.hr("known-bad", "")
	z.train(bad, func() {
		crash(bad)()
		awaitNotReady(z.T, bad, v1beta1.RollbackSucceededReason)
		bad.Spec.MaxHistory = new(int32) // another generation with the same input
		apply(z.T, bad)
	}, v1beta1.KnownBadReason)
	hr = z.hr("failed", "", func(s *v1beta1.HelmReleaseSpec) {
		s.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{
			Name: v1beta1.RetryOnFailure, RetryInterval: &metav1.Duration{Duration: time.Hour},
		}}
	})
	z.train(hr, crash(hr), v1beta1.UpgradeFailedReason, v1beta1.UnhealthyReason)
	last := true
	hr = z.hr("held", "", func(s *v1beta1.HelmReleaseSpec) {
		s.Upgrade = &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: &last}}
		s.AutoRollback = &v1beta1.AutoRollback{Mode: v1beta1.Disabled}
	})
	z.train(hr, crash(hr), v1beta1.RollbackHeldReason)
	upgraded := z.hr("upgraded", "")
	z.train(upgraded, func() { apply(z.T, withValues(upgraded, `{"message":"two"}`)) }, v1beta1.UpgradeSucceededReason)
	refused := z.hr("refused", "")
	z.train(refused, func() { apply(z.T, withValues(refused, `{"bad":true}`)) }, v1beta1.PreflightRejectedReason)
	z.pinned()
	z.drifted()
	z.taken()
	z.blind()
}

// pinned keeps a release at a former revision, and one that is to be at a revision that never was.
func (z *zoo) pinned() {
	z.Helper()
	for name, revision := range map[string]int{"pinned": 1, "pinned-to-nothing": 99} {
		hr := z.hr(name, "")
		reason := map[int]string{1: v1beta1.RolledBackReason, 99: v1beta1.MissingRollbackTargetReason}[revision]
		z.train(hr, func() {
			apply(z.T, withValues(hr, `{"message":"two"}`))
			until(z.T, "the second revision is Ready", func() bool {
				latest := get(z.T, hr).Status.Latest()
				ready := condition(z.T, hr, v1beta1.ReadyCondition)
				return latest != nil && latest.Version == 2 && ready.Status == metav1.ConditionTrue
			})
			request := fmt.Sprintf(`{"revision":%d,"reason":"zoo","inputDigest":%q}`, revision, get(z.T, hr).Status.InputDigest)
			mustRun(z.T, "kubectl", "annotate", "hr/"+name, "-n", z.ns, v1beta1.RollbackRequestAnnotation+"="+request)
		}, reason)
	}
}

// drifted keeps releases whose objects were changed.
func (z *zoo) drifted() {
	z.Helper()
	for mode, reason := range map[string]string{
		v1beta1.DriftWarn: v1beta1.DriftDetectedReason, v1beta1.DriftEnabled: v1beta1.DriftCorrectedReason,
	} {
		hr := z.hr("drift-"+mode, "")
		hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: mode}
		z.train(hr, func() {
			awaitDrifted(z.T, hr, v1beta1.NoDriftReason)
			editAs(z.T, "kubectl-edit", deploymentOf(hr), setImage)
		}, reason)
	}
}

// taken keeps a release whose name another one has, and one whose record is broken.
func (z *zoo) taken() {
	z.Helper()
	elsewhere := z.ns + "-elsewhere"
	apply(z.T, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: elsewhere}})
	first := z.hr("first", "", func(s *v1beta1.HelmReleaseSpec) { s.ReleaseName = "shared" })
	z.train(first, func() {
		second := z.hr("second", "")
		second.Spec.ReleaseName, second.Spec.TargetNamespace = "shared", elsewhere
		second.Spec.StorageNamespace = z.ns
		z.keep(second, v1beta1.OwnedByOtherReason)
	})
	record := secretWith(z.ns, "sh.helm.release.v1.torn.v1", map[string][]byte{"release": []byte("torn")})
	record.Type = "helm.sh/release.v1"
	record.Labels = map[string]string{"owner": "helm", "name": "torn", "status": "deployed", "version": "1"}
	apply(z.T, record)
	torn := z.hr("torn", "")
	z.keep(torn, v1beta1.StorageErrorReason)
	z.stays(torn, v1beta1.StorageErrorReason)
}

// blind keeps a release with an object of a kind that is no longer served. What cannot be watched is audited at the
// interval of the release, so that its audits come due while the zoo is watched.
func (z *zoo) blind() {
	z.Helper()
	definition := strings.ReplaceAll(cogs, "$NS", z.ns)
	fleetOf := map[string]string{"cogs/crd.yaml": definition}
	commit(z.T, z.ns, fleetOf)
	bringsCogs := kustomization(z.ns, "cogs", "cogs")
	z.keep(bringsCogs, v1beta1.AppliedReason)
	awaitReady(z.T, bringsCogs)
	hr := z.hr("blind", `{"gear":"`+z.ns+`"}`)
	z.train(hr, func() {
		mustRun(z.T, "kubectl", "patch", "kustomizations.fairlead.dev/cogs", "-n", z.ns, "--type=merge",
			"-p", `{"spec":{"suspend":true}}`)
		mustRun(z.T, "kubectl", "delete", "crd", "cogs."+z.ns+".example.com")
	})
}

// zooManifests are the directories that the Kustomizations of the zoo follow.
func zooManifests(ns string) map[string]string {
	return map[string]string{
		"fine/a.yaml": settings("a", "one"), "bad/a.yaml": "a: [",
		"variables/a.yaml": settings("b", "${other}"),
		"wrong/a.yaml":     "apiVersion: v1\nkind: Service\nmetadata: {name: Not_A_Name}\nspec: {ports: [{port: 1}]}\n",
		"owned/a.yaml":     settings("verified", "mine"),
		"unknown/a.yaml":   "apiVersion: none.example.com/v1\nkind: Nothing\nmetadata: {name: a}\n",
		"emptied/a.yaml":   settings("c", "one"), "emptied/README": "nothing is left",
		"full/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-full}\n",
		"full/a.yaml":  settings("d", "one"),
		"lost/a.yaml":  settings("e", "one"), "accountless/a.yaml": settings("f", "one"),
		"crowded/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-crowded}\n",
		"stuck/a.yaml":    strings.Replace(settings("of-stuck", "one"), "}", ", finalizers: ["+hold+"]}", 1),
		"slow/a.yaml":     strings.Replace(settings("of-slow", "one"), "}", ", finalizers: ["+hold+"]}", 1),
		"endless/a.yaml":  settings("endless", strings.Repeat("${a}", 10_001)),
	}
}

// kustomizations keeps Kustomizations.
func (z *zoo) kustomizations() {
	z.Helper()
	for directory, reason := range map[string]string{
		"fine": v1beta1.AppliedReason, "none": v1beta1.PathNotFoundReason, "bad": v1beta1.BuildFailedReason,
		"wrong": v1beta1.ValidationFailedReason, "owned": v1beta1.OwnershipConflictReason,
		"unknown": v1beta1.KindUnknownReason,
	} {
		z.keep(kustomization(z.ns, directory, directory), reason)
	}
	commit(z.T, z.ns, map[string]string{"encrypted/a.yaml": encryptedFile(z.T, "secret.yaml")})
	z.keep(kustomization(z.ns, "encrypted", "encrypted"), v1beta1.DecryptionFailedReason)
	z.keep(kustomization(z.ns, "variables", "variables", func(s *v1beta1.KustomizationSpec) {
		s.PostBuild = &v1beta1.PostBuild{Substitute: map[string]string{"no-name": "one"}}
	}), v1beta1.SubstitutionFailedReason)
	z.train(kustomization(z.ns, "emptied", "emptied"), func() {
		commit(z.T, z.ns, map[string]string{"emptied/a.yaml": ""})
	}, v1beta1.NothingToApplyReason)
	full := kustomization(z.ns, "full", "full", func(s *v1beta1.KustomizationSpec) {
		s.Timeout = &metav1.Duration{Duration: time.Hour} // others of the source may take the Namespace so long
	})
	z.train(full, func() {
		apply(z.T, &corev1.ConfigMap{ObjectMeta: named(z.ns+"-full", "foreign")})
		commit(z.T, z.ns, map[string]string{"full/ns.yaml": ""})
	})
}
