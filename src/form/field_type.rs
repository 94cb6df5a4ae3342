//! The platform's field types.

/// A field's type, by the platform's own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType(&'static str);

impl FieldType {
    /// Types whose fields hold data.
    pub const WITH_DATA: [&'static str; 24] = [
        "text",
        "textarea",
        "sn",
        "number",
        "datetime",
        "radiogroup",
        "combo",
        "checkboxgroup",
        "combocheck",
        "address",
        "location",
        "image",
        "upload",
        "signature",
        "subform",
        "linkdata",
        "lookup",
        "user",
        "usergroup",
        "dept",
        "deptgroup",
        "phone",
        "aggregation",
        "richtext",
    ];

    /// Types that are part of a form's layout and hold no data.
    pub const WITHOUT_DATA: [&'static str; 2] = ["divider", "query"];

    /// The type with this name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut names = Self::WITH_DATA.into_iter().chain(Self::WITHOUT_DATA);
        names.find(|known| *known == name).map(FieldType)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Whether records have a value for it.
    pub fn holds_data(self) -> bool {
        !Self::WITHOUT_DATA.contains(&self.0)
    }

    /// Whether its values are rows with fields of their own.
    pub fn has_rows(self) -> bool {
        self.0 == "subform"
    }
}
