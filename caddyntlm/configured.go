package caddyntlm

import (
	"encoding/json"
	"maps"
	"slices"
)

// EachHandler visits the HTTP handlers in a piece of a configuration's JSON,
// wherever they stand, each before those inside it, with its name and its own JSON.
// It ends at the first error, of the JSON or of visit.
func EachHandler(document json.RawMessage, visit func(handler string, raw []byte) error) error {
	if len(document) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	return eachHandlerIn(value, visit)
}

func eachHandlerIn(value any, visit func(string, []byte) error) error {
	switch value := value.(type) {
	case []any:
		for _, inner := range value {
			if err := eachHandlerIn(inner, visit); err != nil {
				return err
			}
		}
	case map[string]any:
		if handler, ok := value["handler"].(string); ok {
			raw, err := json.Marshal(value)
			if err != nil {
				return err
			}
			if err := visit(handler, raw); err != nil {
				return err
			}
		}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if err := eachHandlerIn(value[key], visit); err != nil {
				return err
			}
		}
	}
	return nil
}
