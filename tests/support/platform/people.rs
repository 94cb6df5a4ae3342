//! The members and departments of the company whose platform this is; its owner is the one in
//! whose name the API acts.

use serde_json::{Value, json};

/// A member.
#[derive(Debug)]
pub struct Member {
    id: &'static str,
    pub username: &'static str,
    name: &'static str,
    departments: &'static [u32],
}

/// A department.
#[derive(Debug)]
pub struct Department {
    id: &'static str,
    number: u32,
    name: &'static str,
    parent: Option<u32>,
}

/// The company's creator.
pub static OWNER: Member = member("5c9dabe62503b18a678e0e36", "#admin", "Peach", &[1]);

static MEMBERS: [Member; 5] = [
    member("5c9dabe62503b18a678e0e37", "xiaojian", "小简", &[1, 3]),
    member("5c9dabe62503b18a678e0e38", "Yonne", "Yonne", &[12]),
    member("5c9dabe62503b18a678e0e39", "Martin", "Martin", &[12, 13]),
    member("5c9dabe62503b18a678e0e3a", "jian", "Jian", &[3]),
    member("5c9dabe62503b18a678e0e3b", "dao", "Dao", &[3]),
];

static DEPARTMENTS: [Department; 4] = [
    department("6189db48c482520007e2e431", 1, "Company", None),
    department("6189db48c482520007e2e432", 3, "经理部", Some(1)),
    department("6189db48c482520007e2e433", 12, "Sales", Some(1)),
    department("6189db48c482520007e2e434", 13, "Finance", Some(1)),
];

const fn member(
    id: &'static str,
    username: &'static str,
    name: &'static str,
    departments: &'static [u32],
) -> Member {
    Member { id, username, name, departments }
}

const fn department(
    id: &'static str,
    number: u32,
    name: &'static str,
    parent: Option<u32>,
) -> Department {
    Department { id, number, name, parent }
}

impl Member {
    /// The member with this username.
    pub fn named(username: &str) -> Option<&'static Member> {
        Self::all().find(|member| member.username == username)
    }

    /// The member with this id, by which version 1 names members.
    pub fn with_id(id: &str) -> Option<&'static Member> {
        Self::all().find(|member| member.id == id)
    }

    fn all() -> impl Iterator<Item = &'static Member> {
        std::iter::once(&OWNER).chain(&MEMBERS)
    }

    /// As version 5 answers.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "username": self.username, "status": 1, "type": 0,
            "departments": self.departments, "integrate_id": self.username,
        })
    }

    /// As version 1 answers.
    pub fn json_with_id(&self) -> Value {
        json!({"_id": self.id, "name": self.name})
    }
}

impl Department {
    /// The department with this number.
    pub fn numbered(number: u64) -> Option<&'static Department> {
        DEPARTMENTS.iter().find(|department| u64::from(department.number) == number)
    }

    /// The department with this id, by which version 1 names departments.
    pub fn with_id(id: &str) -> Option<&'static Department> {
        DEPARTMENTS.iter().find(|department| department.id == id)
    }

    /// As version 5 answers.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "dept_no": self.number, "type": 0,
            "parent_no": self.parent, "status": 1, "integrate_id": self.number,
        })
    }

    /// As version 1 answers.
    pub fn json_with_id(&self) -> Value {
        json!({"_id": self.id, "name": self.name})
    }
}
