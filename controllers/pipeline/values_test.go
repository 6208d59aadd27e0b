package pipeline

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
)

// Artifact implements Files.
func (s *site) Artifact(context.Context, catalog.ChartRef) (v1beta1.Artifact, error) {
	return v1beta1.Artifact{Digest: "sha256:of " + s.content}, s.missing
}

// OpenArtifact implements Files.
func (s *site) OpenArtifact(_ context.Context, _ catalog.ChartRef, want v1beta1.Artifact) (io.ReadCloser, error) {
	content := strings.TrimPrefix(want.Digest, "sha256:of ")
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	files := tar.NewWriter(zip)
	header := &tar.Header{Name: "deploy/values.yaml", Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg}
	err := files.WriteHeader(header)
	if err == nil {
		_, err = io.WriteString(files, content)
	}
	return io.NopCloser(&archive), errors.Join(err, files.Close(), zip.Close())
}

// newSharing is a site whose pipeline has shared values, with a HelmRelease in dev that takes them.
func newSharing(t *testing.T, path string, more ...client.Object) *site {
	t.Helper()
	p := threeStages()
	p.Spec.Subject.Values = &v1beta1.PipelineValues{
		SourceRef: v1beta1.PipelineValuesSource{Kind: v1beta1.GitRepositoryKind, Name: "config"}, Path: path,
	}
	s := newSite(t, p, more...)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	return s
}

// share has the source of the shared values hold a file, and waits until it was read.
func (s *site) share(content string) {
	s.Helper()
	s.content = content
	s.settle()
	select {
	case <-s.copier.woken:
	case <-time.After(time.Minute):
		s.Fatal("the file is not read")
	}
	s.settle()
	s.fetched("dev")
	s.settle()
}

// fetched has the source of a stage get the chart that it is pinned to.
func (s *site) fetched(stage string) {
	s.Helper()
	source := &v1beta1.OCIRepository{}
	err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: "web-" + stage}, source)
	if apierrors.IsNotFound(err) {
		return
	}
	source.Status.Chart = &v1beta1.ChartRevision{Digest: source.Spec.Reference.Digest}
	if err := errors.Join(err, s.objects.Update(s.Context(), source)); err != nil {
		s.Fatal(err)
	}
}

func (s *site) configMap(name string) *corev1.ConfigMap {
	s.Helper()
	found := &corev1.ConfigMap{}
	err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: name}, found)
	if client.IgnoreNotFound(err) != nil {
		s.Fatal(err)
	}
	return found
}

// The same chart with other values is another candidate. The ConfigMap of a stage is written once its source has the
// chart, and the values of every candidate are kept.
func TestSharedValues(t *testing.T) {
	t.Parallel()
	s := newSharing(t, "deploy/values.yaml")
	s.share("color: red\n")
	first := s.pipeline.Status.Candidates[0]
	if first.ValuesDigest == "" || s.configMap("web-dev").Data["values.yaml"] != "color: red\n" {
		t.Fatalf("the candidate is %+v, the ConfigMap %v", first, s.configMap("web-dev").Data)
	}
	if got := s.source("dev").Annotations[v1beta1.ValuesDigestAnnotation]; got != first.ValuesDigest {
		t.Errorf("the source says %q", got)
	}
	s.share("# a comment\ncolor: red\n")
	if n := len(s.pipeline.Status.Candidates); n != 1 {
		t.Errorf("a comment makes %d candidates", n)
	}
	s.time = s.time.Add(time.Minute)
	s.share("color: blue\n")
	second := s.pipeline.Status.Candidates[0]
	if len(s.pipeline.Status.Candidates) != 2 || second.ValuesDigest == first.ValuesDigest ||
		second.Digest != first.Digest {
		t.Fatalf("the candidates are %+v", s.pipeline.Status.Candidates)
	}
	for _, c := range []v1beta1.PipelineCandidate{first, second} {
		stored := s.configMap(s.pipeline.SharedValuesName(c.ValuesDigest))
		if stored.Immutable == nil || !*stored.Immutable || stored.Data["values.yaml"] == "" {
			t.Errorf("the values %s are kept as %+v", c.ValuesDigest, stored)
		}
	}
	s.time = s.time.Add(time.Minute)
	s.share("color: red\n")
	if got := s.pipeline.Status.Candidates; len(got) != 2 || got[0].ValuesDigest != first.ValuesDigest ||
		!got[0].FirstSeen.After(second.FirstSeen.Time) {
		t.Errorf("after the values came back the candidates are %+v", got)
	}
}

// The ConfigMap of a stage keeps the former values until its source has the chart of the candidate.
func TestNoMixOfChartAndValues(t *testing.T) {
	t.Parallel()
	s := newSharing(t, "deploy/values.yaml")
	s.share("color: red\n")
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:two"}
	s.content = "color: blue\n"
	s.settle()
	<-s.copier.woken
	s.settle()
	if got := s.source("dev").Spec.Reference.Digest; got != "sha256:two" {
		t.Fatalf("the source is pinned to %s", got)
	}
	if got := s.configMap("web-dev").Data["values.yaml"]; got != "color: red\n" {
		t.Errorf("before the source has the chart, the ConfigMap has %q", got)
	}
	s.fetched("dev")
	s.settle()
	if got := s.configMap("web-dev").Data["values.yaml"]; got != "color: blue\n" {
		t.Errorf("after the source has the chart, the ConfigMap has %q", got)
	}
}

// What cannot be used is said without its content, makes no candidate, and leaves the stages alone.
func TestBadSharedValues(t *testing.T) {
	t.Parallel()
	large := "a: " + strings.Repeat("x", v1beta1.MaxSharedValues)
	for name, tt := range map[string]struct{ path, content, want string }{
		"no such file":  {"other.yaml", "a: b", "the source has no file other.yaml"},
		"outside":       {"../values.yaml", "a: b", `the path "../values.yaml" leads out of the source`},
		"not a map":     {"deploy/values.yaml", "- hush", "is not a YAML map"},
		"broken":        {"deploy/values.yaml", "hush: [", "is not a YAML map"},
		"binary":        {"deploy/values.yaml", "hush: \xff", "the file is binary"},
		"too large":     {"deploy/values.yaml", large, "more than 262144"},
		"a former file": {"deploy", "a: b", "the source has no file deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSharing(t, tt.path)
			s.share(tt.content)
			ready := s.ready()
			if ready.Reason != v1beta1.ValuesErrorReason || !strings.Contains(ready.Message, tt.want) ||
				strings.Contains(ready.Message, "hush") {
				t.Errorf("it says %s: %s", ready.Reason, ready.Message)
			}
			if len(s.pipeline.Status.Candidates) > 0 {
				t.Errorf("the candidates are %+v", s.pipeline.Status.Candidates)
			}
		})
	}
}

// A source that disappears leaves what the stages have.
func TestAMissingValuesSource(t *testing.T) {
	t.Parallel()
	s := newSharing(t, "deploy/values.yaml")
	s.share("color: red\n")
	s.missing = errors.New("GitRepository apps/config does not exist")
	s.settle()
	if ready := s.ready(); ready.Reason != v1beta1.SourceNotReadyReason ||
		!strings.Contains(ready.Message, "GitRepository apps/config does not exist; the stages keep what they have") {
		t.Errorf("it says %s: %s", ready.Reason, ready.Message)
	}
	if got := s.configMap("web-dev").Data["values.yaml"]; got != "color: red\n" {
		t.Errorf("the ConfigMap has %q", got)
	}
}

// A ConfigMap of that name that another client made is neither adopted nor changed.
func TestAForeignConfigMap(t *testing.T) {
	t.Parallel()
	digest, err := valuesDigest([]byte("color: red\n"))
	if err != nil {
		t.Fatal(err)
	}
	stored := (&v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Name: "web"}}).SharedValuesName(digest)
	for name, reason := range map[string]string{
		"web-dev": v1beta1.OwnedByOtherReason, stored: v1beta1.SourceNotReadyReason,
	} {
		other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
		other.Data = map[string]string{"mine": "yes"}
		s := newSharing(t, "deploy/values.yaml", other)
		s.share("color: red\n")
		if ready := s.ready(); ready.Reason != reason ||
			!strings.Contains(ready.Message, "ConfigMap "+name+" exists and is not of this pipeline") {
			t.Errorf("it says %s: %s", ready.Reason, ready.Message)
		}
		if got := s.configMap(name); len(got.OwnerReferences) > 0 || got.Data["mine"] != "yes" {
			t.Errorf("the ConfigMap is %+v", got)
		}
	}
}

// What another client writes into the ConfigMap of a stage is undone.
func TestAChangedConfigMap(t *testing.T) {
	t.Parallel()
	s := newSharing(t, "deploy/values.yaml")
	s.share("color: red\n")
	changed := s.configMap("web-dev")
	changed.Data["values.yaml"] = "color: green\n"
	if err := s.objects.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := s.configMap("web-dev").Data["values.yaml"]; got != "color: red\n" {
		t.Errorf("the ConfigMap has %q", got)
	}
}

// The shared values count as verified when the values that were deployed and verified were made with them.
func TestSharedValuesOfAHelmRelease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*v1beta1.HelmRelease)
		want   string
	}{
		"verified": {func(*v1beta1.HelmRelease) {}, "v"},
		"another revision runs": {func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].ConfigDigest = "former"
		}, ""},
		"other values were verified": {func(hr *v1beta1.HelmRelease) {
			hr.Status.LastVerified.ConfigDigest = "former"
		}, ""},
		"without shared values": {func(hr *v1beta1.HelmRelease) { hr.Status.SharedValues = nil }, ""},
	} {
		hr := verifiedRelease(func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].ConfigDigest, hr.Status.LastVerified.ConfigDigest = "values", "values"
			hr.Status.SharedValues = &v1beta1.SharedValues{Digest: "v", ConfigDigest: "values"}
		}, tt.change)
		if got := releaseOf(hr).ID; got != (promotion.Identity{Chart: "two", Values: tt.want}) {
			t.Errorf("%s: it verified %+v, want values %q", name, got, tt.want)
		}
	}
}
