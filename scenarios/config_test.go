package scenarios

import (
	"reflect"
	"testing"
)

// TestWithoutDefaults takes out of a configuration what WithDefaults puts in, field by
// field, and nothing else.
func TestWithoutDefaults(t *testing.T) {
	if c := Defaults.WithoutDefaults(); !reflect.DeepEqual(c, ServerConfig{}) {
		t.Errorf("of the defaults it leaves %+v", c)
	}
	defaults := reflect.ValueOf(Defaults)
	for i := range defaults.NumField() {
		field, name := defaults.Field(i), defaults.Type().Field(i).Name
		if !field.CanInt() || field.IsZero() {
			continue
		}
		var asked ServerConfig
		reflect.ValueOf(&asked).Elem().Field(i).SetInt(field.Int() + 1)
		if c := asked.WithDefaults().WithoutDefaults(); !reflect.DeepEqual(c, asked) {
			t.Errorf("%s: %+v, want %+v", name, c, asked)
		}
	}
}
