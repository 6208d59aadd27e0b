package render

import "fairlead.dev/fairlead/api/v1beta1"

// OptionsOf takes the options over from the API.
func OptionsOf(renderers []v1beta1.PostRenderer, strategy string, metadata *v1beta1.CommonMetadata) Options {
	options := Options{Strategy: Strategy(strategy)}
	for _, renderer := range renderers {
		step := PostRenderer{}
		if renderer.Kustomize != nil {
			step.Kustomize = kustomizeOf(renderer.Kustomize)
		}
		options.PostRenderers = append(options.PostRenderers, step)
	}
	if metadata != nil {
		options.CommonMetadata = CommonMetadata{Labels: metadata.Labels, Annotations: metadata.Annotations}
	}
	return options
}

func kustomizeOf(from *v1beta1.Kustomize) *Kustomize {
	to := &Kustomize{}
	for _, patch := range from.Patches {
		converted := Patch{Patch: patch.Patch}
		if t := patch.Target; t != nil {
			converted.Target = &Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
			}
		}
		to.Patches = append(to.Patches, converted)
	}
	for _, image := range from.Images {
		to.Images = append(to.Images, Image(image))
	}
	return to
}
