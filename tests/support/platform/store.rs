//! The records of all forms, and what the platform remembers of transactions.
//!
//! It knows the rules of changing data, not how requests name their parameters.

use super::error::{self, ApiError};
use super::form::{Form, Kind};
use super::json::Json;
use super::people::{Member, OWNER};
use super::values::{Dialect, Ids, Reader, Values, timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

/// Names a form: `(app_id, entry_id)`.
pub type FormKey<'a> = (&'a str, &'a str);

/// Everything the platform keeps.
#[derive(Debug)]
pub struct Store {
    pub shelves: Vec<Shelf>,
    ids: Ids,
    /// The form for which each transaction may bind files. The platform forgets it after an hour.
    uploads: HashMap<String, (String, String)>,
    batches: HashMap<String, Batch>,
    break_batch_after: Option<usize>,
}

/// A form with its records.
#[derive(Debug)]
pub struct Shelf {
    pub form: Form,
    pub records: BTreeMap<String, Record>,
    /// When data was last changed; at first when the form was made.
    pub modified: SystemTime,
    serial: u32,
}

/// A record.
#[derive(Debug)]
pub struct Record {
    pub id: String,
    pub creator: &'static Member,
    updater: &'static Member,
    pub created: SystemTime,
    pub updated: SystemTime,
    /// 0 in progress, 1 done, 2 closed by hand, 3 rejected; none when no workflow was started.
    pub flow_state: Option<u8>,
    pub values: Values,
}

/// What one transaction created, by the place in its list.
#[derive(Debug)]
struct Batch {
    form: (String, String),
    ids: Vec<Option<String>>,
}

/// The terms of a call that writes.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub dialect: Dialect,
    pub creator: &'static Member,
    pub transaction: Option<&'a str>,
    pub starts_workflow: bool,
}

impl Store {
    pub fn new(forms: Vec<Form>) -> Store {
        let mut store = Store {
            shelves: Vec::new(),
            ids: Ids::default(),
            uploads: HashMap::new(),
            batches: HashMap::new(),
            break_batch_after: None,
        };
        forms.into_iter().for_each(|form| store.set_form(form));
        store
    }

    pub fn set_form(&mut self, form: Form) {
        let Ok(shelf) = shelf(&mut self.shelves, (&form.app_id, &form.entry_id)) else {
            let modified = SystemTime::now();
            self.shelves.push(Shelf { form, records: BTreeMap::new(), modified, serial: 0 });
            return;
        };
        let kinds: HashMap<_, _> =
            form.fields.iter().map(|field| (&field.id, field.kind.name())).collect();
        for record in shelf.records.values_mut() {
            record.values.retain(|id, _| {
                let before = shelf.form.fields.iter().find(|field| field.id == *id);
                before
                    .is_none_or(|field| kinds.get(id).is_none_or(|kind| *kind == field.kind.name()))
            });
        }
        shelf.form = form;
    }

    pub fn set_value(&mut self, form: FormKey<'_>, id: &str, field: &str, value: Value) {
        let shelf = self.shelf(form).expect("the form exists");
        let record = shelf.records.get_mut(id).expect("the record exists");
        record.values.insert(field.to_owned(), value);
        record.updated = SystemTime::now();
        shelf.modified = record.updated;
    }

    pub fn break_next_batch(&mut self, after: usize) {
        self.break_batch_after = Some(after);
    }

    /// All records of a form; none if there is no such form.
    pub fn records(&mut self, form: FormKey<'_>) -> Vec<Value> {
        let Ok(shelf) = self.shelf(form) else { return Vec::new() };
        let show = |record: &Record| record.show(&shelf.form, Dialect::NEWEST).value();
        shelf.records.values().map(show).collect()
    }

    pub fn shelf(&mut self, form: FormKey<'_>) -> Result<&mut Shelf, ApiError> {
        shelf(&mut self.shelves, form)
    }

    pub fn get(&mut self, form: FormKey<'_>, id: &str, dialect: Dialect) -> Result<Json, ApiError> {
        let shelf = self.shelf(form)?;
        let record = shelf.records.get(id).ok_or(error::NO_DATA)?;
        Ok(record.show(&shelf.form, dialect))
    }

    pub fn create(
        &mut self,
        form: FormKey<'_>,
        data: &Map<String, Value>,
        terms: Terms<'_>,
    ) -> Result<Json, ApiError> {
        let shelf = shelf(&mut self.shelves, form)?;
        let files = may_bind_files(&self.uploads, form, terms.transaction);
        let mut reader = Reader { dialect: terms.dialect, ids: &mut self.ids, files };
        let values = reader.values(&shelf.form, data, &Values::new())?;
        let id = self.ids.next();
        shelf.add(id.clone(), values, terms);
        self.get(form, &id, terms.dialect)
    }

    /// Gives the number of records that the transaction created in all, and the ids of those that
    /// it created this time. A repeated transaction overwrites what its first run created.
    pub fn create_batch(
        &mut self,
        form: FormKey<'_>,
        list: &[&Map<String, Value>],
        terms: Terms<'_>,
    ) -> Result<(usize, Vec<String>), ApiError> {
        let shelf = shelf(&mut self.shelves, form)?;
        let files = may_bind_files(&self.uploads, form, terms.transaction);
        let before = terms.transaction.and_then(|transaction| self.batches.get(transaction));
        // "The transaction_id already exists": that of another form's batch can only be meant.
        if before.is_some_and(|batch| !is_same(&batch.form, form)) {
            return Err(error::DUPLICATE_TRANSACTION);
        }
        let mut reader = Reader { dialect: terms.dialect, ids: &mut self.ids, files };
        let read = |data: &&_| reader.values(&shelf.form, data, &Values::new());
        let list = list.iter().map(read).collect::<Result<Vec<_>, _>>()?;

        let mut ids = before.map_or(Vec::new(), |batch| batch.ids.clone());
        ids.resize(ids.len().max(list.len()), None);
        let mut created = Vec::new();
        let end = self.break_batch_after.take().unwrap_or(list.len());
        for (id, values) in ids.iter_mut().zip(list).take(end) {
            let record = id.as_ref().and_then(|id| shelf.records.get_mut(id));
            if let Some(record) = record {
                record.change(values);
                continue;
            }
            let new = self.ids.next();
            shelf.add(new.clone(), values, terms);
            created.push(new.clone());
            *id = Some(new);
        }
        shelf.modified = SystemTime::now();
        let total = ids.iter().flatten().count();
        if let Some(transaction) = terms.transaction {
            let form = (form.0.to_owned(), form.1.to_owned());
            self.batches.insert(transaction.to_owned(), Batch { form, ids });
        }
        Ok((total, created))
    }

    pub fn update(
        &mut self,
        form: FormKey<'_>,
        id: &str,
        data: &Map<String, Value>,
        terms: Terms<'_>,
    ) -> Result<Json, ApiError> {
        let shelf = shelf(&mut self.shelves, form)?;
        let record = shelf.records.get_mut(id).ok_or(error::NO_DATA)?;
        let files = may_bind_files(&self.uploads, form, terms.transaction);
        let mut reader = Reader { dialect: terms.dialect, ids: &mut self.ids, files };
        record.change(reader.values(&shelf.form, data, &record.values)?);
        shelf.modified = record.updated;
        self.get(form, id, terms.dialect)
    }

    /// Gives the number of records that were there to be changed. Sub-forms are refused.
    pub fn update_batch(
        &mut self,
        form: FormKey<'_>,
        ids: &[&str],
        data: &Map<String, Value>,
        terms: Terms<'_>,
    ) -> Result<usize, ApiError> {
        let shelf = shelf(&mut self.shelves, form)?;
        let subforms =
            shelf.form.fields.iter().filter(|field| matches!(field.kind, Kind::Subform(_)));
        if subforms.into_iter().any(|field| data.keys().any(|name| field.is_called(name))) {
            return Err(error::FIELD_TYPE);
        }
        let files = may_bind_files(&self.uploads, form, terms.transaction);
        let mut reader = Reader { dialect: terms.dialect, ids: &mut self.ids, files };
        let values = reader.values(&shelf.form, data, &Values::new())?;
        let mut count = 0;
        for id in ids {
            let Some(record) = shelf.records.get_mut(*id) else { continue };
            record.change(values.clone());
            shelf.modified = record.updated;
            count += 1;
        }
        Ok(count)
    }

    /// Gives the number of records that were there to be deleted.
    pub fn delete(&mut self, form: FormKey<'_>, ids: &[&str]) -> Result<usize, ApiError> {
        let shelf = self.shelf(form)?;
        let count = ids.iter().filter(|id| shelf.records.remove(**id).is_some()).count();
        if count > 0 {
            shelf.modified = SystemTime::now();
        }
        Ok(count)
    }

    /// Lets a transaction bind files to records of this form.
    pub fn allow_files(&mut self, form: FormKey<'_>, transaction: &str) -> Result<(), ApiError> {
        self.shelf(form)?;
        self.uploads.insert(transaction.to_owned(), (form.0.to_owned(), form.1.to_owned()));
        Ok(())
    }
}

impl Shelf {
    fn add(&mut self, id: String, mut values: Values, terms: Terms<'_>) {
        let now = SystemTime::now();
        self.serial += 1;
        for field in self.form.fields.iter().filter(|field| field.kind == Kind::Sn) {
            values.insert(field.id.clone(), format!("{:05}", self.serial).into());
        }
        let record = Record {
            id: id.clone(),
            creator: terms.creator,
            updater: terms.creator,
            created: now,
            updated: now,
            flow_state: (self.form.has_workflow && terms.starts_workflow).then_some(0),
            values,
        };
        self.records.insert(id, record);
        self.modified = now;
    }
}

impl Record {
    /// The API acts in the name of the company's owner.
    fn change(&mut self, values: Values) {
        self.values.extend(values);
        self.updater = &OWNER;
        self.updated = SystemTime::now();
    }

    /// The whole record as an answer has it.
    pub fn show(&self, form: &Form, dialect: Dialect) -> Json {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut add = |name: &str, value: Value| members.push((name.to_owned(), value.into()));
        add("_id", json!(self.id));
        add("appId", json!(form.app_id));
        add("entryId", json!(form.entry_id));
        add("creator", dialect.show_people(&self.creator.json()));
        add("updater", dialect.show_people(&self.updater.json()));
        add("createTime", timestamp(self.created));
        add("updateTime", timestamp(self.updated));
        for field in form.data_fields() {
            let value = self.values.get(&field.id).map(|value| dialect.show(field, value));
            add(field.name(), value.unwrap_or_else(|| field.kind.empty()));
        }
        if form.has_workflow {
            add("flowState", json!(self.flow_state));
        }
        Json::Object(members)
    }
}

// These take fields of the store, so that the store's other fields stay free to be used.

fn shelf<'a>(shelves: &'a mut [Shelf], form: FormKey<'_>) -> Result<&'a mut Shelf, ApiError> {
    if !shelves.iter().any(|shelf| shelf.form.app_id == form.0) {
        return Err(error::NO_APP);
    }
    shelves
        .iter_mut()
        .find(|shelf| shelf.form.app_id == form.0 && shelf.form.entry_id == form.1)
        .ok_or(error::NO_FORM)
}

/// Files were uploaded with tokens of a transaction, and only that one can bind them.
fn may_bind_files(
    uploads: &HashMap<String, (String, String)>,
    form: FormKey<'_>,
    transaction: Option<&str>,
) -> Result<(), ApiError> {
    let allowed = transaction.and_then(|transaction| uploads.get(transaction));
    allowed.filter(|owner| is_same(owner, form)).map(|_| ()).ok_or(error::TRANSACTION)
}

fn is_same(owned: &(String, String), form: FormKey<'_>) -> bool {
    (owned.0.as_str(), owned.1.as_str()) == form
}
