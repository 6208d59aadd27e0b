package memory

// What a value of an object, and a member of an object, takes without its text.
const (
	valueCost  = 24
	memberCost = 64
)

// SizeOf estimates what the content of an object of an API server takes.
func SizeOf(content any) int64 {
	size := int64(valueCost)
	switch content := content.(type) {
	case map[string]any:
		for name, value := range content {
			size += memberCost + int64(len(name)) + SizeOf(value)
		}
	case []any:
		for _, value := range content {
			size += SizeOf(value)
		}
	case string:
		size += int64(len(content))
	}

	return size
}
