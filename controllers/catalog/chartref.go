package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/chartvalues"
)

// ChartRef is what a release asks for: one chart of one source. It is comparable.
type ChartRef struct {
	// Kind, Namespace and Name of the source.
	Kind, Namespace, Name string
	// Chart is a name in a HelmRepository or a path in a GitRepository or Bucket, Version a range. Both are empty for an
	// OCIRepository and a HelmChart, which stand for one chart.
	Chart, Version string
	// elsewhere is set when the chart is not for the cluster of the controller, whose version then does not count.
	elsewhere bool
	// values are the files that the chart's values come from, one in a line, lenient leaves out what is not there of them.
	values  string
	lenient bool
	// demand says which keys or identities have to have signed the chart, as JSON; empty for none.
	demand string
	// skip are the charts that are not taken, "version digest" in a line, sorted.
	skip string
	// pin is the exact chart that is wanted, and filter bounds the versions; zero for any.
	pin    pin
	filter filter
	// listing is set when the names of charts are wanted, and no chart.
	listing listing
	// files is the path or pattern of the values files that are wanted, and no chart; empty for none.
	files string
}

// demand is who has to have signed a chart, and the namespace that the Secret with the keys is in.
type demand struct {
	Namespace string `json:"namespace"`
	v1beta1.Verification
}

// demands adds who has to have signed the chart.
func (c ChartRef) demands(namespace string, v *v1beta1.Verification) ChartRef {
	if v == nil {
		return c
	}
	if text, err := json.Marshal(demand{namespace, *v}); err == nil {
		c.demand = string(text)
	}
	return c
}

// demanded is what demands was given; the zero value for nothing.
func (c ChartRef) demanded() (d demand) {
	if c.demand != "" {
		_ = json.Unmarshal([]byte(c.demand), &d) // it was made by demands
	}
	return d
}

// plain reports whether an answer needs nothing but an index: the chart is wanted as it is, without a signature.
func (c ChartRef) plain() bool { return c.values == "" && c.demand == "" }

// String names what is demanded, for messages and as part of a key.
func (d demand) String() string {
	text := fmt.Sprintf(" signed (%s)", cmp.Or(d.Provider, v1beta1.VerifyCosign))
	if keys := d.Keys(); keys != nil { // the API wants them, but readers of an object do not rely on it
		text += fmt.Sprintf(" as Secret %s/%s says", d.Namespace, keys.Name)
	}
	for i, match := range d.MatchOIDCIdentity {
		text += []string{", by ", " or "}[min(i, 1)] + fmt.Sprintf("%q of %q", match.Subject, match.Issuer)
	}
	return text
}

// Values are the files that the values of the chart come from; none for its own.
func (c ChartRef) Values() chartvalues.Files {
	if c.values == "" {
		return chartvalues.Files{}
	}
	return chartvalues.Files{Names: strings.Split(c.values, "\n"), Lenient: c.lenient}
}

// with adds the files that the values come from.
func (c ChartRef) with(files []string, lenient bool) ChartRef {
	if len(files) > 0 {
		c.values = strings.Join(files, "\n")
		c.lenient = lenient
	}
	return c
}

// String names the choice in messages and indexes.
func (c ChartRef) String() string {
	source := fmt.Sprintf("%s %s/%s", c.Kind, c.Namespace, c.Name)
	if c.values != "" {
		source += " with the values of " + strings.ReplaceAll(c.values, "\n", ", ")
		if c.lenient {
			source += " as far as they exist"
		}
	}

	if c.demand != "" {
		source += c.demanded().String()
	}
	if c.elsewhere {
		source += " for another cluster"
	}
	if c.skip != "" {
		source += " without " + strings.ReplaceAll(c.skip, "\n", ", ")
	}

	source += c.filter.String() + c.pin.String()
	switch {
	case c.files != "":
		return fmt.Sprintf("the values files %q of %s", c.files, source)
	case c.lists():
		return fmt.Sprintf("%s of %s", c.listing, source)
	case c.Chart == "":
		return source
	case c.Version == "":
		return fmt.Sprintf("chart %s of %s", c.Chart, source)
	default:
		return fmt.Sprintf("chart %s %q of %s", c.Chart, c.Version, source)
	}
}

// Source names the source alone.
func (c ChartRef) Source() ChartRef {
	return ChartRef{Kind: c.Kind, Namespace: c.Namespace, Name: c.Name}
}

// ChoiceOfRelease returns what a release asks for, skipped versions included.
func ChoiceOfRelease(hr *v1beta1.HelmRelease) ChartRef {
	if ref := hr.Spec.ChartRef; ref != nil {
		return ChartRef{Kind: ref.Kind, Namespace: cmp.Or(ref.Namespace, hr.Namespace), Name: ref.Name}
	}
	if hr.Spec.Chart == nil {
		return ChartRef{}
	}

	spec := hr.Spec.Chart.Spec
	choice := newChoice(spec.SourceRef.Kind, cmp.Or(spec.SourceRef.Namespace, hr.Namespace), spec.SourceRef.Name,
		spec.Chart, spec.Version).
		with(spec.ValuesFiles, spec.IgnoreMissingValuesFiles).demands(hr.Namespace, spec.Verify)
	choice.elsewhere = hr.Spec.KubeConfig != nil && choice.Version != ""
	return choice
}

// ChoiceOfChart returns what a HelmChart asks for.
func ChoiceOfChart(hc *v1beta1.HelmChart) ChartRef {
	choice := newChoice(hc.Spec.SourceRef.Kind, hc.Namespace, hc.Spec.SourceRef.Name, hc.Spec.Chart, hc.Spec.Version).
		with(hc.Spec.ValuesFiles, hc.Spec.IgnoreMissingValuesFiles).demands(hc.Namespace, hc.Spec.Verify)
	choice.pin = pin{Digest: hc.Spec.Digest, Origin: hc.Spec.Origin}
	return choice
}

// ChoiceOfPipeline returns what a pipeline asks for: a chart, or names of charts. It is the zero value when all charts
// are named: then only the pipelines of these ask for something.
func ChoiceOfPipeline(p *v1beta1.ReleasePipeline) ChartRef {
	subject := p.Spec.Subject
	if charts := subject.Charts; charts != nil {
		if charts.Include == "" {
			return ChartRef{}
		}
		return ChartRef{
			Kind: subject.SourceRef.Kind, Namespace: p.Namespace, Name: subject.SourceRef.Name,
			listing: listing{Include: charts.Include, Exclude: charts.Exclude},
		}
	}

	if subject.SourceRef.Kind == v1beta1.OCIRepositoryKind {
		return ChartRef{Kind: subject.SourceRef.Kind, Namespace: p.Namespace, Name: subject.SourceRef.Name}
	}

	choice := newChoice(subject.SourceRef.Kind, p.Namespace, subject.SourceRef.Name, subject.Chart, subject.Version).
		demands(p.Namespace, subject.Verify)
	choice.filter.Prereleases = subject.Prereleases
	if f := subject.Filter; f != nil {
		choice.filter.Include = f.Include
		choice.filter.Exclude = f.Exclude
	}

	return choice
}

func newChoice(kind, namespace, name, chart, version string) ChartRef {
	if v1beta1.HoldsDirectories(kind) {
		version = "" // a directory has one version of its chart
	} else {
		version = cmp.Or(version, "*")
	}
	return ChartRef{Kind: kind, Namespace: namespace, Name: name, Chart: chart, Version: version}
}

func keyOf(kind string, source v1beta1.Source) ChartRef {
	return ChartRef{Kind: kind, Namespace: source.GetNamespace(), Name: source.GetName()}
}
