package attest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PromotionType is the predicate of statements about a promotion.
const PromotionType = "https://fairlead.dev/promotion/v1"

// Promotion is what a pipeline says of a chart: the predicate of its statement.
type Promotion struct {
	// Namespace and Pipeline name the pipeline, Stage the stage that the chart was promoted to.
	Namespace string `json:"namespace"`
	Pipeline  string `json:"pipeline"`
	Stage     string `json:"stage"`
	// Version of the chart.
	Version string `json:"version"`
	// Verified are the stages that have verified the chart.
	Verified []Stage `json:"verified"`
}

// Stage is a stage that has verified a chart.
type Stage struct {
	// Name of the stage.
	Name string `json:"name"`
	// At is when it was verified first.
	At time.Time `json:"at"`
	// Releases are the HelmReleases that verified it.
	Releases []Release `json:"releases,omitempty"`
}

// Release is a HelmRelease that has verified a chart.
type Release struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	At        time.Time `json:"at"`
}

// Includes reports whether a statement says everything that another one says but for the times and the HelmReleases,
// which change while the chart stays verified.
func (p Promotion) Includes(other Promotion) bool {
	if p.Namespace != other.Namespace || p.Pipeline != other.Pipeline || p.Stage != other.Stage {
		return false
	}
	for _, s := range other.Verified {
		if !p.verifiedIn(s.Name) {
			return false
		}
	}
	return true
}

func (p Promotion) verifiedIn(stage string) bool {
	return slices.ContainsFunc(p.Verified, func(s Stage) bool { return s.Name == stage })
}

// Claim is what an attestation has to say. Empty fields are not looked at.
type Claim struct {
	// Type of the predicate, PromotionType when empty.
	Type string
	// Namespace and Pipeline name the pipeline, Stage a stage that has verified the chart. They go with PromotionType.
	Namespace, Pipeline, Stage string
}

// String says what is wanted, for messages.
func (c Claim) String() string {
	if c.Type != "" && c.Type != PromotionType {
		return "of type " + c.Type
	}

	text := "that the chart was verified"
	if c.Stage != "" {
		text += " in stage " + c.Stage
	}

	switch {
	case c.Pipeline != "" && c.Namespace != "":
		text += " of pipeline " + c.Namespace + "/" + c.Pipeline
	case c.Pipeline != "":
		text += " of pipeline " + c.Pipeline
	case c.Namespace != "":
		text += " in namespace " + c.Namespace
	}

	return text
}

// Check says why a predicate is not what is claimed; nil when it is.
func (c Claim) Check(kind string, predicate []byte) error {
	want := c.Type
	if want == "" {
		want = PromotionType
	}
	if kind != want {
		return fmt.Errorf("it is of type %.200q", kind)
	}
	if kind != PromotionType {
		return nil
	}

	var p Promotion
	if err := json.Unmarshal(predicate, &p); err != nil {
		return fmt.Errorf("its predicate cannot be read")
	}

	switch {
	case c.Namespace != "" && c.Namespace != p.Namespace, c.Pipeline != "" && c.Pipeline != p.Pipeline:
		return fmt.Errorf("it is of pipeline %.100q", p.Namespace+"/"+p.Pipeline)
	case c.Stage != "" && !p.verifiedIn(c.Stage):
		names := make([]string, 0, len(p.Verified))
		for _, s := range p.Verified {
			names = append(names, s.Name)
		}

		return fmt.Errorf("it names the stages %.200q", strings.Join(names, ", "))
	}

	return nil
}
