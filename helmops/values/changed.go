package values

import "reflect"

// Changed returns the values that were set formerly and are different or left out now.
func Changed(former, now map[string]any) map[string]any {
	out := map[string]any{}
	for key, was := range former {
		below, isMap := was.(map[string]any)
		nowBelow, still := now[key].(map[string]any)
		switch {
		case isMap && still:
			out[key] = Changed(below, nowBelow)
		case !reflect.DeepEqual(was, now[key]):
			out[key] = was
		}
	}

	return out
}
