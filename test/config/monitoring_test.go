package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// rule is an alert of Prometheus.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type ruleGroups struct {
	Groups []struct {
		Name     string `json:"name"`
		Interval string `json:"interval"`
		Rules    []rule `json:"rules"`
	} `json:"groups"`
}

// monitoring is what the chart gives for Prometheus, by kind.
func monitoring(t *testing.T, values string) map[string]*unstructured.Unstructured {
	t.Helper()
	found := map[string]*unstructured.Unstructured{}
	file := render(t, "fairlead", "fairlead", "fairlead-system", values).file(t, "monitoring.yaml")
	for _, document := range strings.Split(file, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.Object != nil {
			found[object.GetKind()] = object
		}
	}
	return found
}

// rulesOf reads the alerts of the only group of a PrometheusRule, or of a page.
func rulesOf(t *testing.T, content []byte) []rule {
	t.Helper()
	var groups ruleGroups
	if err := yaml.UnmarshalStrict(content, &groups); err != nil {
		t.Fatal(err)
	}
	if len(groups.Groups) != 1 {
		t.Fatalf("%d groups, want 1", len(groups.Groups))
	}
	return groups.Groups[0].Rules
}

func chartRules(t *testing.T) []rule {
	t.Helper()
	installed := monitoring(t, "metrics: {prometheusRule: {enabled: true}}")["PrometheusRule"]
	if installed == nil {
		t.Fatal("there is no PrometheusRule")
	}
	spec, err := yaml.Marshal(installed.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return rulesOf(t, spec)
}

func TestMonitoringOfTheChart(t *testing.T) {
	if found := monitoring(t, "{}"); len(found) != 0 {
		t.Errorf("by default there are %v", found)
	}
	found := monitoring(t, `metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 30s}
  prometheusRule: {enabled: true, labels: {role: alerts}, interval: 1m}
`)
	monitor, rules := found["ServiceMonitor"], found["PrometheusRule"]
	if monitor == nil || rules == nil {
		t.Fatalf("there are %v", found)
	}
	if got := monitor.GetLabels()["release"] + " " + rules.GetLabels()["role"]; got != "prometheus alerts" {
		t.Errorf("the labels are %q", got)
	}
	endpoints, _, _ := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
	want := []any{map[string]any{"port": "metrics", "honorLabels": true, "interval": "30s"}}
	if diff := cmp.Diff(want, endpoints); diff != "" {
		t.Errorf("the endpoints are (-want +got):\n%s", diff)
	}
	groups, _, _ := unstructured.NestedSlice(rules.Object, "spec", "groups")
	if got := groups[0].(map[string]any)["interval"]; got != "1m" {
		t.Errorf("the rules are evaluated every %v", got)
	}
	selector, _, _ := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
	service := &corev1.Service{}
	services := render(t, "fairlead", "fairlead", "fairlead-system", "{}").file(t, "service.yaml")
	text, _, _ := strings.Cut(services, "\n---\n")
	if err := yaml.Unmarshal([]byte(text), service); err != nil || service.Spec.Ports[0].Name != "metrics" {
		t.Fatalf("the Service is %+v: %v", service, err)
	}
	labels := service.Labels
	for key, value := range selector {
		if labels[key] != value {
			t.Errorf("the Service has the labels %v, the ServiceMonitor selects %v", labels, selector)
		}
	}
}

var (
	ruleMetric   = regexp.MustCompile(`fairlead_\w+`)
	ruleBy       = regexp.MustCompile(`by \(([^)]*)\)`)
	ruleSelector = regexp.MustCompile(`(fairlead_\w+)\{(\w+)(?:=|!=)"`)
)

// The alerts are about metrics and labels that the controller has.
func TestAlertsOfTheChart(t *testing.T) {
	made := metricsMade(t)
	rules := chartRules(t)
	if len(rules) < 8 {
		t.Errorf("only %d alerts were found", len(rules))
	}
	for _, r := range rules {
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("%s has no severity or no summary", r.Alert)
		}
		names := ruleMetric.FindAllString(r.Expr, -1)
		if len(names) == 0 && r.Alert != "FairleadDown" {
			t.Errorf("%s is about no metric: %s", r.Alert, r.Expr)
		}
		for _, name := range names {
			labels, ok := made[strings.TrimSuffix(name, "_count")]
			if !ok {
				t.Errorf("%s is about %s, which the controller does not have", r.Alert, name)
			}
			for _, by := range ruleBy.FindAllStringSubmatch(r.Expr, -1) {
				for _, label := range strings.Split(by[1], ", ") {
					if !slices.Contains(labels, label) {
						t.Errorf("%s: %s has no label %s", r.Alert, name, label)
					}
				}
			}
		}
		for _, selected := range ruleSelector.FindAllStringSubmatch(r.Expr, -1) {
			if labels := made[strings.TrimSuffix(selected[1], "_count")]; !slices.Contains(labels, selected[2]) {
				t.Errorf("%s: %s has no label %s", r.Alert, selected[1], selected[2])
			}
		}
	}
}

// The page shows the alerts that the chart installs.
func TestAlertsOfThePage(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "docs", "metrics.md"), "```yaml\n")
	page, _, _ = strings.Cut(page, "```")
	if diff := cmp.Diff(chartRules(t), rulesOf(t, []byte(page))); diff != "" {
		t.Errorf("the alerts of docs/metrics.md differ (-chart +page):\n%s", diff)
	}
}
