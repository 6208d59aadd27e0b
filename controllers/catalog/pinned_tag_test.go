package catalog

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// author signs tags.
type author struct{ *openpgp.Entity }

func newAuthor(t *testing.T) author {
	t.Helper()
	entity, err := openpgp.NewEntity("author", "", "author@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	return author{entity}
}

// tag names a commit of the repository fleet by a signed tag.
func (a author) tag(t *testing.T, server *servers.Git, name, commit string) {
	t.Helper()
	payload := "object " + commit + "\ntype commit\ntag " + name +
		"\ntagger upstream <upstream@example.com> 1704067200 +0000\n\na release\n"
	signature := &bytes.Buffer{}
	if err := openpgp.ArmoredDetachSign(signature, a.Entity, strings.NewReader(payload), nil); err != nil {
		t.Fatal(err)
	}
	object, err := server.WriteObject("fleet", "tag", payload+signature.String()+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetRef("fleet", "refs/tags/"+name, object); err != nil {
		t.Fatal(err)
	}
}

// secret has the key of the author.
func (a author) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	key := &bytes.Buffer{}
	w, err := armor.Encode(key, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "authors"},
		Data:       map[string][]byte{"author.asc": key.Bytes()},
	}
}

// Where tags have to be signed, a pinned chart of an earlier tag is packed from that tag while it names the same
// commit.
func TestAPinnedChartOfASignedTag(t *testing.T) {
	t.Parallel()
	good, stranger := newAuthor(t), newAuthor(t)
	for _, tt := range []struct {
		name string
		// change is what happens to the tag v1.0.0 of the commit first later; second is a later commit.
		change func(server *servers.Git, first, second string)
		reason string
		text   string
	}{
		{name: "it is there", change: func(*servers.Git, string, string) {}},
		{name: "a stranger has signed it", change: func(server *servers.Git, first, _ string) {
			stranger.tag(t, server, "v1.0.0", first)
		}, reason: v1beta1.VerificationFailedReason},
		{name: "it has moved", change: func(server *servers.Git, _, second string) {
			good.tag(t, server, "v1.0.0", second)
		}, reason: v1beta1.VerificationFailedReason, text: "which has to be signed, is at v1.0.0@sha1:"},
		{name: "it is gone", change: func(server *servers.Git, _, _ string) {
			if err := server.SetRef("fleet", "refs/tags/v1.0.0", ""); err != nil {
				t.Error(err)
			}
		}, reason: v1beta1.NotFoundReason},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, err := servers.GitServer(t.TempDir(), servers.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			url, err := server.Create("fleet")
			if err != nil {
				t.Fatal(err)
			}
			release := func(version string) string {
				files := map[string]string{"web/Chart.yaml": chartFiles(version)["Chart.yaml"]}
				sha, err := server.Commit("fleet", "main", files, "change")
				if err != nil {
					t.Fatal(err)
				}
				good.tag(t, server, "v"+version, sha)
				return sha
			}
			source := &v1beta1.GitRepository{
				ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "g1"},
				Spec: v1beta1.GitRepositorySpec{
					URL: url, Reference: &v1beta1.GitRepositoryRef{SemVer: "*"},
					Verify: &v1beta1.GitRepositoryVerification{
						Mode: v1beta1.VerifyTag, SecretRef: v1beta1.LocalObjectReference{Name: "authors"},
					},
				},
			}
			first := release("1.0.0")
			web := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web"}
			c := newCatalog(t, source, good.secret(t))
			if found := c.Poll(t.Context(), source, []ChartRef{web}); found.Err != nil {
				t.Fatal(found.Err)
			}
			chart, err := c.Chart(t.Context(), web)
			if err != nil {
				t.Fatal(err)
			}
			origin := c.Origin(t.Context(), web, chart)
			if origin != "v1.0.0@sha1:"+first {
				t.Fatalf("the origin is %s", origin)
			}
			tt.change(server, first, release("2.0.0"))
			hc := pinnedTo(v1beta1.GitRepositoryKind, "web", "1.0.0", chart.Digest, origin)
			got := take(t, newCatalog(t, source, hc, good.secret(t)), source, hc)
			checkTaken(t, got, chart.Digest, tt.reason, tt.text, "")
			if sources.Reason(got.Err) != tt.reason {
				t.Errorf("the reason is %s", sources.Reason(got.Err))
			}
		})
	}
}
