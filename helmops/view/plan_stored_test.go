package view

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

func storedPlan(objects int) Plan {
	p := EmptyPlan()
	p.Digest = "sha256:plan"
	p.Requests.CPU = PlanAmount{From: resource.MustParse("1"), To: resource.MustParse("1500m")}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range objects {
		p.Objects = append(p.Objects, PlanObject{ObjectDifference: ObjectDifference{
			Kind: "ConfigMap", Name: fmt.Sprintf("c%d", i), Change: "changed",
			Fields: []FieldDifference{{Path: "data.key", Change: "changed", To: fmt.Sprint(r.Uint64(), r.Uint64())}},
		}})
	}
	return p
}

func TestStoredPlans(t *testing.T) {
	t.Parallel()
	want := storedPlan(3)
	content, dropped, err := EncodePlan(want)
	if err != nil || dropped != 0 {
		t.Fatalf("dropped %d: %v", dropped, err)
	}

	got, err := DecodePlan(content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
}

// A plan that is too large keeps its riskiest objects, which come first.
func TestLargePlansLoseObjects(t *testing.T) {
	t.Parallel()
	want := storedPlan(1000)
	content, dropped, err := encodePlan(want, 10_000)
	if err != nil || dropped == 0 || len(content) > 10_000 {
		t.Fatalf("%d bytes, dropped %d: %v", len(content), dropped, err)
	}

	got, err := DecodePlan(content)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Objects) != 1000-dropped || got.Objects[0].Name != "c0" {
		t.Errorf("%d objects, dropped %d, the first is %s", len(got.Objects), dropped, got.Objects[0].Name)
	}
	if _, _, err := encodePlan(want, 10); err == nil {
		t.Error("a plan is encoded in ten bytes")
	}
}

func TestBadStoredPlans(t *testing.T) {
	t.Parallel()
	packed := func(text string) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return out.Bytes()
	}
	for name, content := range map[string][]byte{
		"nothing": nil, "no gzip": []byte("{}"), "no JSON": packed("{"), "cut": packed("{}")[:8],
		"too large": packed(`{"namespace":"` + strings.Repeat("a", maxStoredPlan) + `"}`),
	} {
		if _, err := DecodePlan(content); err == nil {
			t.Errorf("%s is decoded", name)
		}
	}
}
