package preview

import (
	"strings"
	"testing"
)

// What the API server does not take is named with its reason, first among its equals, without secrets.
func TestUntriedObjects(t *testing.T) {
	t.Parallel()
	const before, after = "replicas: 2", "replicas: 3"
	api := strings.ReplaceAll(web, "name: web", "name: api")
	to := strings.ReplaceAll(documents(api, web, login), before, after)
	p := previewed(t, Input{
		From: Rendering{Manifest: documents(api, web, login)}, To: Rendering{Manifest: to}, Again: Rendering{Manifest: to},
		Untried: []Untried{
			{Group: "apps", Kind: "Deployment", Namespace: "apps", Name: "web", Refused: true, Why: "denied: hunter2"},
			{Group: "apps", Kind: "Deployment", Name: "api", Why: "its kind is not served yet"},
			{Kind: "Secret", Name: "login", Refused: true, Why: "does not differ"},
		},
	})
	if len(p.Objects) != 2 || p.Objects[0].Name != "web" || !p.Objects[0].Refused || p.Objects[1].Refused {
		t.Fatalf("the objects are %+v", p.Objects)
	}
	if why := p.Objects[0].Untried; !strings.HasPrefix(why, "denied: ") || strings.Contains(why, "hunter2") {
		t.Errorf("the reason is %q", why)
	}
	if got := p.Summary(); got != "2 changed, 1 refused by the dry run" {
		t.Errorf("the summary is %q", got)
	}
	if why := p.Riskiest()[1].Why; why != ComparedByManifest+"its kind is not served yet" {
		t.Errorf("the status says %q", why)
	}
}

// Only objects that are new or differ are worth a dry run.
func TestChanges(t *testing.T) {
	t.Parallel()
	api := strings.ReplaceAll(web, "name: web", "name: api")
	changes, err := Changes(
		Rendering{Manifest: documents(web, login)},
		Rendering{Manifest: documents(strings.Replace(web, "replicas: 2", "replicas: 3", 1), api)}, "apps",
	)
	if err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		object Untried
		want   bool
	}{
		{Untried{Group: "apps", Kind: "Deployment", Namespace: "apps", Name: "web"}, true},
		{Untried{Group: "apps", Kind: "Deployment", Name: "api"}, true},
		{Untried{Kind: "Secret", Name: "login"}, false},
		{Untried{Group: "apps", Kind: "Deployment", Namespace: "other", Name: "web"}, false},
	} {
		if got := changes(tt.object); got != tt.want {
			t.Errorf("%+v: %t", tt.object, got)
		}
	}

	if _, err := Changes(Rendering{}, Rendering{Manifest: "a: ["}, "apps"); err == nil {
		t.Error("a manifest that is not YAML is compared")
	}
}
