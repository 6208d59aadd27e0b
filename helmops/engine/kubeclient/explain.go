package kubeclient

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
)

// Explain looks at objects and says what those lack that are not healthy, and why. What cannot be read is left out.
func (c *Client) Explain(refs []v1beta1.ResourceRef) []v1beta1.ObjectHealth {
	var out []v1beta1.ObjectHealth
	for _, ref := range refs {
		namespace, name, group, kind, ok := ref.Split()
		if !ok {
			continue
		}

		mapping, err := c.mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind}, ref.Version)
		if err != nil {
			continue
		}

		info := &resource.Info{Mapping: mapping, Namespace: namespace, Name: name}
		live, err := c.live(info)
		if err != nil {
			continue
		}

		info.Object = live
		report := c.options.Health.Assess(live, true)
		if report.State == health.Current {
			continue
		}

		out = append(out, v1beta1.ObjectHealth{
			Kind: kind, Group: group, Namespace: namespace, Name: name, State: string(report.State),
			Message: c.explain(unready{info: info, report: report}),
		})
	}

	return out
}
